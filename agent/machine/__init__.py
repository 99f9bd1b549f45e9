"""The agent's machine: events in; records to keep and effects to perform out. Pure.

``machine.py`` holds the sessions with the leaders and the fence between their
terms, ``tasks.py`` the tasks and what may happen to them.
"""

from agent.machine.machine import Machine

__all__ = ["Machine"]
