"""Runs with all that happens to runs, and stores that were tampered with: what audits are measured on."""
