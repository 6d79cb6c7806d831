"""Who must be asked, what counts as a yes, and what it covers: rules, questions, decisions, grants, permits."""
