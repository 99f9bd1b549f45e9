"""A network namespace for each host of a run, with one device in it.

What stands between the devices is the business of ``bridge`` and ``switched``.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Sequence
from contextlib import suppress

import attrs

from chaos.live.seams import DRIVER, Link
from chaos.machine.tools import find_tool
from chaos.network.layout import SUBNET_BITS, Layout
from chaos.network.namespaces import (
    Namespace,
    NetworkError,
    new_namespace,
)

KERNEL = {
    "ipv4.tcp_retries2": 8,
    "ipv4.tcp_syn_retries": 4,
    "ipv6.conf.all.disable_ipv6": 1,
}
"""Settings of each host's kernel that are not the usual ones.

TCP gives a connection up after about 100 s without an answer instead of 15 minutes (the
least that RFC 1122 allows, and what clusters are often set to), and a dial after 31 s
instead of 127 s. Both are longer than any fault lasts: what ends connections in a run
is what ends them on real machines, the programs' own patience, or a reset. They are
there so that nothing hangs on when a run is over. IPv6 is off: nobody uses it, and its
announcements would be traffic that no rule is for.
"""

DEVICE = "eth0"
_log = logging.getLogger(__name__)


@attrs.define
class Hosts:
    """The namespaces, by the name of the host; the driver's is that of the run."""

    layout: Layout
    namespaces: dict[str, Namespace]
    driver_device: str
    """Unique on this machine: the driver may stand among other devices."""

    def device(self, host: str) -> str:
        return self.driver_device if host == DRIVER else DEVICE

    def command_prefix(self, host: str) -> Sequence[str]:
        """See ``chaos.live.seams.Network``."""
        if host == DRIVER:
            return ()
        nsenter = find_tool("nsenter") or "nsenter"
        return (nsenter, f"--net={self.namespaces[host].path}", "--")

    def set_up(self) -> None:
        """Give each host's device, which is there, its addresses, and start it.

        Every host knows the others' hardware addresses for good: nobody has to ask,
        so a cut link is silent from the first to the last moment of the cut.
        """
        for name, host in self.layout.hosts.items():
            device = self.device(name)
            namespace = self.namespaces[name]
            if name == DRIVER:
                # The rest of the driver's kernel may be the machine's own.
                settings: dict[str, int] = {f"ipv6.conf.{device}.disable_ipv6": 1}
            else:
                settings = KERNEL
            refused = [
                setting
                for setting, value in settings.items()
                if not namespace.set_kernel(setting, value)
            ]
            if refused:
                _log.warning("kernel settings refused", extra={"settings": refused})
            lines = [
                "link set dev lo up",
                f"link set dev {device} address {host.mac}",
                f"addr add {host.ip}/{SUBNET_BITS} dev {device}",
                f"link set dev {device} up",
            ]
            lines += [
                f"neigh replace {other.ip} lladdr {other.mac} dev {device} "
                "nud permanent"
                for other in self.layout.others(name)
            ]
            namespace.command("ip", "-batch", "-", text="\n".join(lines) + "\n")

    def reset(self, links: Collection[Link]) -> int:
        """Destroy, at the first host of each link, its connections with the second.

        The kernel tells the other side by RST, which is a packet like any other: where
        that direction is cut it never arrives, and the other side goes on believing.
        Returns how many sockets were destroyed.
        """
        of_source: dict[str, list[str]] = {}
        for source, target in sorted(set(links)):
            of_source.setdefault(source, []).append(self.layout.hosts[target].ip)
        count = 0
        for source, addresses in of_source.items():
            words = " or ".join(f"dst {address}" for address in addresses)
            # It complains of sockets that were gone before it came: not checked.
            told = self.namespaces[source].command(
                "ss", "-H", "-K", "-n", "-t",
                "state", "connected", "exclude", "time-wait", f"( {words} )",
                is_checked=False,
            )  # fmt: skip
            count += sum(1 for line in told.splitlines() if line.strip())
        return count

    def close(self) -> None:
        """Everything that was made goes; twice is as good as once."""
        driver = self.namespaces.get(DRIVER)
        if driver is not None:
            # It goes with its other end anyway, but not at once.
            with suppress(NetworkError):
                driver.command(
                    "ip", "link", "del", self.driver_device, is_checked=False
                )
        while self.namespaces:
            self.namespaces.popitem()[1].close()


def make_hosts(layout: Layout, driver: Namespace) -> Hosts:
    """An empty namespace for each host but the driver, which has one already.

    Raises NetworkError, and then nothing is left; ``driver`` is closed with the rest.
    """
    hosts = Hosts(layout, {DRIVER: driver}, driver_device=f"rlc{os.urandom(4).hex()}")
    try:
        for name in ("ip", "ss", "nsenter"):
            if find_tool(name) is None:
                raise NetworkError(f"{name} is not installed (iproute2, util-linux)")
        for name in layout.hosts:
            if name != DRIVER:
                hosts.namespaces[name] = new_namespace()
    except BaseException:
        hosts.close()
        raise
    return hosts
