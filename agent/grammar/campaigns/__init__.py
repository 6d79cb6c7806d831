"""Work at many places: what was described, what it takes at each place, and the steps of it."""
