"""The replicated log: bytes in, one order on every node.

Read ``interface.py`` first: it holds the promises, and every engine passes the same
contract tests. ``docs/replication.md`` tells how they are kept.
"""
