"""Texts of strangers by every way in, and judges of what was then shown and done."""
