"""The report of a run: gathered from the ledger, told once as blocks, written as Markdown and as HTML."""
