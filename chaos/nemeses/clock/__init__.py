"""Faults of the clocks of leader nodes and agents, by libfaketime.

A node must have been started with ``environment.clock_environment``; the driver, the
workloads and what they record keep the true time. Nodes import from here: so nothing
is imported that is not asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chaos.live.seams import Nemesis
    from chaos.machine.capabilities import Machine


def clock_nemeses(machine: Machine) -> list[Nemesis]:
    """Both."""
    from chaos.machine.capabilities import Ability
    from chaos.nemeses.clock.drift import ClockDriftNemesis
    from chaos.nemeses.clock.jump import ClockJumpNemesis

    why_not = machine.missing(Ability.FAKETIME)
    return [ClockJumpNemesis(why_not=why_not), ClockDriftNemesis(why_not=why_not)]
