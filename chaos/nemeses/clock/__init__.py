"""Faults of the clocks of leader nodes and agents, by libfaketime.

A node must have been started with ``clock_environment``; the driver, the workloads and
what they record keep the true time.
"""

from chaos.live.seams import Nemesis
from chaos.machine.capabilities import Ability, Machine
from chaos.nemeses.clock.drift import ClockDriftNemesis
from chaos.nemeses.clock.environment import clock_environment
from chaos.nemeses.clock.jump import ClockJumpNemesis

__all__ = ["clock_environment", "clock_nemeses"]


def clock_nemeses(machine: Machine) -> list[Nemesis]:
    """Both."""
    why_not = machine.missing(Ability.FAKETIME)
    return [ClockJumpNemesis(why_not=why_not), ClockDriftNemesis(why_not=why_not)]
