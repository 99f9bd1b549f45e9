"""raftleader: a cluster manager whose leader keeps everything in a Raft log.

Read in this order: ``state/cluster.py`` (what is known), ``state/apply.py`` (how
it changes), ``leader/service.py`` (what the leader does about it), ``node.py``
(how a leader node is put together). The house is drawn in ``docs/architecture.md``.
"""

__version__ = "0.4.0"
