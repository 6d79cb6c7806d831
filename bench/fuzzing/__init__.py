"""Hostile and careless calls at a real executor: the calls, the scenes and the rig they are played on."""
