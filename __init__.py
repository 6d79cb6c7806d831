"""Eucentric: a language-model agent runs an electron microscope under human supervision."""

__version__ = "0.1.0"
__all__ = ["__version__"]
