"""The words everybody speaks: frozen models, units, errors, the ledger, settings and the stop client."""
