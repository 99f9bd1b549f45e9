"""What a node does while it leads: sessions, effects, allocation, timers.

Read ``service.py`` (the lead/follow loop), then ``proposals.py`` (the one way into
the log) and ``subscriptions.py`` / ``agent_sessions.py`` (effects).
"""
