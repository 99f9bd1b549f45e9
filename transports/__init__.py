"""Frames between named addresses: memory, tcp, and a wrapper that injects faults.

Knows nothing of Raft, tasks or clusters. Read ``interface.py`` first: it holds
the promises; every transport passes the same contract tests.

    interface.py   Link and Transport: what is promised
    errors.py      what they raise
    registry.py    transport_for("tcp://..."), register, plugins by entry point
    addresses.py   scheme://host:port, in both directions
    frames.py      frames on a stream of bytes, without IO
    tcp.py         TcpTransport; tcp_link.py is its link
    memory.py      MemoryNetwork and MemoryTransport; memory_link.py is their link
    faults.py      FaultyTransport around any other; fault_plan.py says what happens
    handling.py    serves one accepted link, for every transport

Nothing is imported here, so that ``transports.frames`` stays free of IO.
"""
