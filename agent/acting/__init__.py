"""What is behind the executor's door: acts, the doses and frames of exposures, and the count of what was sent."""
