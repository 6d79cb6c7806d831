"""What a stop is measured against: a driver that stamps its blanker, and a loaded machine."""
