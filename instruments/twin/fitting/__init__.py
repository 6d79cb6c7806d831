"""From what a site measured on its own instrument to the figures of a twin."""
