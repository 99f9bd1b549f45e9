"""Checks of tasks: whether they are healthy, and what else their framework asks."""
