"""The terminal interface: screens that are queries on the ledger, and a stop key."""
