"""Planning, preview, policy, gates, the executor, judging, recovery and the report."""
