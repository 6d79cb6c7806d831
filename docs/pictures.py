"""Make the README's pictures from the program itself: `python docs/pictures.py`."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.text import Text

from eucentric.bench.campaign import REQUEST

ROOT = Path(__file__).parents[1]
IMAGES = Path(__file__).parent / "images"


def run(folder: Path) -> str:
    """The demonstration, as it prints."""
    policy = "examples/demo-envelope.toml"
    command = [
        sys.executable,
        "-m",
        "eucentric",
        "run",
        REQUEST,
        "--store",
        str(folder / "store"),
        "--approve",
        policy,
    ]
    command += ["--instrument", "twin://mxene?seed=7&stage=worn"]
    env = {**os.environ, "EUCENTRIC_STATE": str(folder / "state")}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True, cwd=ROOT).stdout


def main() -> None:
    """Run in a folder that is thrown away; keep the screen and the zoom ladder."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = run(folder).replace(str(folder) + os.sep, "")
        with open(os.devnull, "w") as nowhere:
            console = Console(record=True, width=150, file=nowhere)
            console.print(Text(text))
            svg = console.export_svg(title="eucentric run")
        fonts = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.S)  # nothing is fetched when it is looked at
        (IMAGES / "run.svg").write_text(fonts.replace("Fira Code", "DejaVu Sans Mono"), encoding="utf-8")
        ladder = Image.open(next(folder.glob("store/runs/*/pictures/report-ladder.png")))
        small = ladder.convert("RGB")
        small.thumbnail((900, 1000))
        small.quantize(64).save(IMAGES / "zoom-ladder.png", optimize=True)


if __name__ == "__main__":
    main()
