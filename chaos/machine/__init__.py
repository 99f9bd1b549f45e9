"""The machine of a run: what it can do, and a house that leaves nothing behind."""
