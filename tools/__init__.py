"""Verbs a planner may call, one file each, and the science they use."""
