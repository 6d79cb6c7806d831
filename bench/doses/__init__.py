"""Random plans that expose, and the twin, ledger and door that carry them out."""
