"""The planner that asks a language model: what it is told, how it is spoken to, and how its reply is read."""
