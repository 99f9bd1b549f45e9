"""What a network of proxies can make, and what it cannot. Pure.

TCP hides packets from a proxy: it sees a stream, and a byte that it dropped, doubled or
changed would be one that no network can, as TCP repairs all of that.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from chaos.live.faults import Fault

_HOLD = "bandwidth 0, slow_close"

PROXIES_FAULTS: Mapping[Fault, str] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                Fault.PARTITION,
                Fault.ONE_WAY,
                Fault.RING,
                Fault.FLAPPING,
                Fault.ISOLATION,
                Fault.AGENT_CUT,
                Fault.FRAMEWORK_CUT,
            ),
            _HOLD,
        ),
        Fault.DELAY: "latency",
        Fault.JITTER: "latency",
        Fault.BANDWIDTH: "bandwidth",
        Fault.RESET: "reset_peer, timeout",
        Fault.HALF_OPEN: f"timeout, {_HOLD}",
    }
)
"""What can be made, and by which toxics."""

NOT_BY_PROXIES: Mapping[Fault, str] = MappingProxyType(
    {
        Fault.LOSS: "TCP sends lost packets again, below a proxy",
        Fault.REORDER: "TCP puts packets in order, below a proxy",
        Fault.DUPLICATE: "TCP drops repeated packets, below a proxy",
        Fault.CORRUPTION: "TCP drops corrupt packets, below a proxy",
    }
)
"""What cannot, and why."""
