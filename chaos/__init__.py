"""Breaking the cluster, and saying what broke.

``checkers/`` judge what was observed of a cluster, whoever observed it: a test, a
simulation, a real cluster under faults. They are pure; each is named after the
promise it guards (``docs/promises.md``).
"""
