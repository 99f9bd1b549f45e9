"""The kinds of networks, what each can do, and which one a run needs. Pure."""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping
from types import MappingProxyType

from chaos.live.faults import Fault, Group


class NetworkKind(enum.Enum):
    """The value is its name on the command line, and a network's ``means``."""

    BRIDGE = "bridge"
    SWITCH = "switch"
    PROXIES = "proxies"
    LOOPBACK = "loopback"


_CUTS = (
    Fault.PARTITION,
    Fault.ONE_WAY,
    Fault.RING,
    Fault.FLAPPING,
    Fault.ISOLATION,
    Fault.AGENT_CUT,
    Fault.FRAMEWORK_CUT,
)
_FRAMES = (
    Fault.DELAY,
    Fault.JITTER,
    Fault.REORDER,
    Fault.DUPLICATE,
    Fault.CORRUPTION,
)

BRIDGE_FAULTS: Mapping[Fault, str] = MappingProxyType(
    {
        **dict.fromkeys((*_CUTS, Fault.LOSS, Fault.BANDWIDTH), "nft"),
        Fault.RESET: "ss -K",
        Fault.HALF_OPEN: "nft, ss -K",
    }
)
SWITCH_FAULTS: Mapping[Fault, str] = MappingProxyType(
    {
        **dict.fromkeys((*_CUTS, *_FRAMES, Fault.LOSS, Fault.BANDWIDTH), "switch"),
        Fault.RESET: "ss -K",
        Fault.HALF_OPEN: "switch, ss -K",
    }
)
LOOPBACK_FAULTS: Mapping[Fault, str] = MappingProxyType({})


def needs_switch(faults: Collection[Fault]) -> bool:
    """Whether some of these cannot be made on a bridge."""
    return any(
        fault.group is Group.NETWORK and fault not in BRIDGE_FAULTS for fault in faults
    )


def choose_network(
    faults: Collection[Fault], possible: Collection[NetworkKind]
) -> NetworkKind:
    """The network for a run with these faults on a machine that can have these kinds.

    A bridge is the cheapest and the nearest to a real one; the switch comes where the
    faults need it, or where there is no bridge.
    """
    order = [NetworkKind.BRIDGE, NetworkKind.SWITCH, NetworkKind.PROXIES]
    if needs_switch(faults):
        order.sort(key=lambda kind: kind is not NetworkKind.SWITCH)
    return next((kind for kind in order if kind in possible), NetworkKind.LOOPBACK)
