"""Runs that are killed and taken up again, and a witness at the driver."""
