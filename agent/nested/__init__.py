"""Containers that operators start: below a task, beside its processes, or alone.

``names.py``, then ``containers.py``, which holds them all; ``container.py`` is one of
them with its process, terminal and output.
"""
