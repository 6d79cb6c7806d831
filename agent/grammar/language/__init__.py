"""From text to clauses: the vocabulary, numbers and units as people write them, and what goes together."""
