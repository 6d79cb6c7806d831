"""What the tools that tilt share: which orientation, which way, following a feature, and looking where it landed."""
