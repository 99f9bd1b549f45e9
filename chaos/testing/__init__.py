"""Clusters of real processes inside of tests: what the pytest plugin is made of.

    @pytest.mark.raftleader(leaders=3, agents=2)
    def test_x(raftleader_cluster, nemesis, chaos_history): ...

Everything a test touches is plain blocking Python: the cluster is kept by a trio loop
in a thread of its own (``portal``), so tests may be synchronous, or run under trio or
asyncio and come here through ``to_thread``. See docs/chaos-testing.md.
"""
