"""Raft without IO: ``core.RaftCore`` is the door, ``work`` its contract with a driver.

Pure: no clock, no chance, no disk, no network. Begin with the docstring of ``core``.
"""
