"""The HTTP API of a leader node: Mesos' scheduler endpoint, status pages, redirects.

Start in ``app.py``. Nothing here decides anything about the cluster: calls become
commands, events become records, and what was answered is in the log.
"""
