"""A run as a crate that a stranger can check: rows, frames, cards and people, with a page that tells it."""
