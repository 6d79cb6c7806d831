#!/bin/sh
# The peers' own environment: bench/peers/setup.sh ENV [MXENE_SEG]
# MXENE_SEG is a clone (or bare repository) of github.com/NREL/mxene_seg, for the weights of its network (BSD-3-Clause).
set -eu
env=$1
python3.11 -m venv "$env"
"$env/bin/pip" install --quiet "torch==2.13.0" "numpy==2.4.6" "scipy==1.17.1" "scikit-image==0.26.0"
"$env/bin/pip" install --quiet "atomap==0.4.2" "hyperspy==2.5.0"
# Its own requirements would bring torchvision, and with it another torch.
"$env/bin/pip" install --quiet --no-deps "atomai==0.8.1"
"$env/bin/pip" install --quiet "mendeleev==1.3.0" "gpytorch==1.15.2" "opencv-python-headless==5.0.0.93" "progressbar2==4.6.0"
if [ $# -gt 1 ]; then
  git -C "$2" show HEAD:0_training/model_metadict_final.tar > "$env/nrel_mxene.tar"
fi
