"""A spy at the driver with limits of its own: it shares no code with what it judges."""
