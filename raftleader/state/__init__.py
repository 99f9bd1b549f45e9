"""The replicated state machine: what the cluster knows, and the one way it changes.

Pure. Read ``cluster.py`` (the tables), ``commands.py`` (what may enter the log),
``apply.py`` (the dispatcher), then the ``apply_<kind>.py`` you care about.
"""
