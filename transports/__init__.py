"""Frames between named addresses: memory, tcp, and a wrapper that injects faults.

Knows nothing of Raft, tasks or clusters. Read ``interface.py`` first: it holds
the promises; every transport passes the same contract tests.
"""
