"""The column of the twin: what the probe is, what the scan unit and the detectors do to a picture."""
