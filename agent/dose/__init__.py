"""What dose each place of the specimen has had: an upper bound, kept from the ledger's own rows."""
