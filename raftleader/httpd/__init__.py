"""HTTP/1.1 over trio: the server that leaders and agents share.

Knows HTTP and nothing else; what is served is the business of ``raftleader.api``
and of the agent. Read ``messages.py``, then ``server.py``.
"""
