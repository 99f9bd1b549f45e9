"""The networks of a run: hosts, links between them, and what is done to these."""
