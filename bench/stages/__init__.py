"""Stages that move and tilt: random moves, a brute-force swept volume, a port that watches the feature."""
