"""A plan before it is run: walked without an instrument, priced, and shown."""
