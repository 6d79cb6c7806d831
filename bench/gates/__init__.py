"""Races, forgeries and strangers at a gate, and a judge who reads the ledger with plain SQLite."""
