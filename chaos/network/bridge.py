"""Hosts on a bridge of the kernel, whose links are cut by nftables.

    host [eth0] --- [portN] bridge, in a namespace of its own [port0] --- driver

All rules stand in one place, at the bridge, and are replaced in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs
import trio

from chaos.live.seams import Link, LinkFault
from chaos.machine.tools import find_tool
from chaos.network.hosts import Hosts
from chaos.network.namespaces import Namespace, NetworkError, new_namespace
from chaos.network.nft import table_text

BRIDGE = "rlcbridge"
WHOLE_FRAMES = "gso_max_segs 1"
"""The kernel would hand up to 64 KiB from host to host as one frame, and a rule would
lose all of it or nothing. So the links carry what a wire would: 1,500 bytes."""


@attrs.define
class Bridge:
    """The bridge that joins some hosts."""

    hosts: Hosts
    namespace: Namespace

    async def enforce(self, rules: Mapping[Link, LinkFault]) -> None:
        """From now on these rules are in force, and no others. Not to be cancelled:
        it takes some milliseconds. Raises NetworkError with nothing changed."""
        text = table_text(rules, self.hosts.layout)
        await trio.to_thread.run_sync(self._load, text)

    def _load(self, text: str) -> None:
        self.namespace.command("nft", "-f", "-", text=text)

    def close(self) -> None:
        """The bridge goes, with its links; before the hosts do."""
        self.namespace.close()


def make_bridge(hosts: Hosts) -> Bridge:
    """Join these hosts, which have no devices yet. Raises NetworkError, and then the
    hosts are what is left to be closed. Blocks for some tenths of a second."""
    if find_tool("nft") is None:
        raise NetworkError("nft is not installed (nftables)")
    namespace = new_namespace()
    try:
        namespace.set_kernel("ipv6.conf.all.disable_ipv6", 1)
        namespace.command("ip", "-batch", "-", text=_devices(hosts))
        namespace.command("bridge", "-batch", "-", text=_addresses(hosts))
        hosts.set_up()
        namespace.command("nft", "-f", "-", text=table_text({}, hosts.layout))
    except BaseException:
        namespace.close()
        raise
    return Bridge(hosts, namespace)


def _ports(hosts: Hosts) -> Iterator[tuple[str, str]]:
    """The bridge's end of each host's link, and the host."""
    for number, name in enumerate(sorted(hosts.namespaces)):
        yield f"port{number}", name


def _devices(hosts: Hosts) -> str:
    lines = [
        f"link add {BRIDGE} type bridge forward_delay 0 stp_state 0 mcast_snooping 0",
        f"link set dev {BRIDGE} up",
    ]
    for port, name in _ports(hosts):
        end = f"{hosts.device(name)} {WHOLE_FRAMES} netns {hosts.namespaces[name].path}"
        lines += [
            f"link add {port} {WHOLE_FRAMES} type veth peer name {end}",
            f"link set dev {port} master {BRIDGE} up",
            f"link set dev {port} type bridge_slave learning off flood off "
            "mcast_flood off bcast_flood off",
        ]
    return "\n".join(lines) + "\n"


def _addresses(hosts: Hosts) -> str:
    """Who is where, for good. A bridge that has yet to learn that sends a frame to
    everybody, and a rule that counts would count it several times."""
    lines = [
        f"fdb replace {hosts.layout.hosts[name].mac} dev {port} master static"
        for port, name in _ports(hosts)
    ]
    return "\n".join(lines) + "\n"
