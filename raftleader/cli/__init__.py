"""The command line: ``raftleader``. Begin with ``main.py``."""
