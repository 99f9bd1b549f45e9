"""The checks of a run, by subject; ``chaos.judging.judge`` has the list of them."""
