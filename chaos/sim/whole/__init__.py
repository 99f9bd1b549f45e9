"""A whole cluster in one trio loop on a virtual clock, drawn from one seed.

Leaders, agents and frameworks are the real ones; only the network, the disks of the
leaders, the processes of tasks and the passing of time are made here. See
``docs/chaos.md``.
"""

from chaos.sim.whole.run import simulate_whole

__all__ = ["simulate_whole"]
