"""Mesos' operator API, ``/api/v1``: reading the cluster, changing it, following it.

Start in ``calls.py``. A call becomes a command of ``state/operator_commands.py``, or a
document made of copies of the tables.
"""
