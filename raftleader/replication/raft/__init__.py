"""Raft without IO: ``core.RaftCore`` is the door, ``work`` the contract with its driver.

Pure: no clock, no chance, no disk, no network. Begin with the docstring of ``core``.
"""
