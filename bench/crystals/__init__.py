"""Crystallographic cases: golden ones from a file, patterns of known truth, sessions at a microscope."""
