"""Faults of processes: those of leader nodes, agents, executors and frameworks."""
