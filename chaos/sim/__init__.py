"""The cluster in simulation: two levels over the same faults, drawn from one seed.

``chaos.sim.whole`` is the real services in one trio loop on a virtual clock. See
``docs/chaos.md``.
"""
