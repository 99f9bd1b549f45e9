"""All nemeses of the network."""

from __future__ import annotations

from collections.abc import Mapping

from chaos.live.faults import Fault
from chaos.live.seams import Nemesis
from chaos.nemeses.network.connections import HalfOpenNemesis, ResetNemesis
from chaos.nemeses.network.edges import plan_edge_cut
from chaos.nemeses.network.flapping import FlappingNemesis
from chaos.nemeses.network.frames import FRAME_FAULTS, plan_frames
from chaos.nemeses.network.isolation import IsolationNemesis
from chaos.nemeses.network.links import Abilities, LinkNemesis
from chaos.nemeses.network.partition import plan_cut


def network_nemeses(
    possible: Mapping[Fault, str] | None = None, *, means: str = ""
) -> list[Nemesis]:
    """One for each class of faults of the network, or for several.

    ``possible`` is what the network of the run can do (its ``faults``), and ``means``
    its kind: then ``missing`` tells the rest from it. With None every class counts as
    possible until the fault is made.
    """
    abilities = Abilities(means, possible)
    return [
        LinkNemesis(
            faults=frozenset({Fault.PARTITION, Fault.ONE_WAY, Fault.RING}),
            planner=plan_cut,
            abilities=abilities,
        ),
        FlappingNemesis(abilities=abilities),
        IsolationNemesis(abilities=abilities),
        LinkNemesis(
            faults=frozenset(FRAME_FAULTS), planner=plan_frames, abilities=abilities
        ),
        ResetNemesis(abilities=abilities),
        HalfOpenNemesis(abilities=abilities),
        LinkNemesis(
            faults=frozenset({Fault.AGENT_CUT, Fault.FRAMEWORK_CUT}),
            planner=plan_edge_cut,
            abilities=abilities,
        ),
    ]
