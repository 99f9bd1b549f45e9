"""Which address each host of a run has. Pure.

    10.77.0.1   driver        10.77.2.N   agent-N, in the order given
    10.77.1.N   leader-N      10.77.3.N   framework-N      10.77.9.N   any other

The addresses are private to the run where it is in a network namespace of its own; a
run outside of one takes 10.77.0.0/16 away from the machine while it lasts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import attrs

from chaos.live.seams import DRIVER

SUBNET_BITS = 16
_THIRD_OCTETS = {DRIVER: 0, "leader": 1, "agent": 2, "framework": 3}
_OTHER_OCTET = 9
HOSTS_OF_A_KIND_MAX = 254


@attrs.frozen(kw_only=True)
class Host:
    """A place where processes of a run stand, with one address of its own.

    Attributes:
        mac: Of its only device; made from ``ip``, so that nobody has to ask who has
            an address: a fault hits what hosts say, not how they find each other.
    """

    name: str
    ip: str
    mac: str


@attrs.frozen
class Layout:
    """All hosts by name, the driver among them."""

    hosts: Mapping[str, Host]

    def others(self, name: str) -> tuple[Host, ...]:
        """All hosts but this one."""
        return tuple(host for host in self.hosts.values() if host.name != name)


def lay_out(names: Iterable[str]) -> Layout:
    """Addresses for these hosts and the driver. Raises ValueError for a name that
    comes twice, or for more hosts than fit."""
    hosts: dict[str, Host] = {}
    numbers: Counter[int] = Counter()
    for name in (DRIVER, *(name for name in names if name != DRIVER)):
        if name in hosts:
            raise ValueError(f"two hosts are called {name!r}")
        octet = _THIRD_OCTETS.get(name.rpartition("-")[0] or name, _OTHER_OCTET)
        numbers[octet] += 1
        if numbers[octet] > HOSTS_OF_A_KIND_MAX:
            raise ValueError(f"more than {HOSTS_OF_A_KIND_MAX} hosts like {name!r}")
        address = (10, 77, octet, numbers[octet])
        hosts[name] = Host(
            name=name,
            ip=".".join(map(str, address)),
            # 02: made up here, belonging to no manufacturer.
            mac=":".join(f"{byte:02x}" for byte in (2, 0, *address)),
        )
    return Layout(hosts)
