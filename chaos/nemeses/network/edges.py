"""Agents and frameworks that lose the leaders. Pure."""

from __future__ import annotations

import random

from chaos.live.faults import Fault, Injection
from chaos.live.seams import ImpossibleError
from chaos.nemeses.network.links import CUT, LinkPlan
from chaos.nemeses.targets import Crowd, agents_hit, frameworks_hit, links_from


def plan_edge_cut(injection: Injection, crowd: Crowd, rng: random.Random) -> LinkPlan:
    """Links of agents (or frameworks) with all leader nodes, or with the leader alone,
    are cut: both ways, or towards the leaders, or from them."""
    find = agents_hit if injection.fault is Fault.AGENT_CUT else frameworks_hit
    hit = find(injection.target, crowd, rng)
    if not crowd.leaders:
        raise ImpossibleError("there is no leader node")
    is_leader_only = rng.random() < 0.3 and crowd.leader is not None
    far = (crowd.leader,) if is_leader_only and crowd.leader else crowd.leaders
    direction = rng.choice(("both", "both", "not heard", "deaf"))
    links = [
        *(links_from(hit, far) if direction != "deaf" else ()),
        *(links_from(far, hit) if direction != "not heard" else ()),
    ]
    return LinkPlan(
        targets=hit,
        rules=dict.fromkeys(links, CUT),
        detail={"direction": direction, "from": sorted(far)},
    )
