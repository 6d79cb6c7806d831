"""The twin held against multislice, real images, and its own preset."""
