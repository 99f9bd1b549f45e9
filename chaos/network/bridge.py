"""Hosts on a bridge of the kernel, whose links are cut by nftables.

    host [eth0] --- [portN] bridge, in a namespace of its own [port0] --- driver

All rules stand in one place, at the bridge, and are replaced in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import trio

from chaos.live.seams import DRIVER, Link, LinkFault
from chaos.machine.tools import find_tool
from chaos.network.hosts import DEVICE, Hosts
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
        namespace.command("ip", "-batch", "-", text=_batch(hosts))
        hosts.set_up()
        namespace.command("nft", "-f", "-", text=table_text({}, hosts.layout))
    except BaseException:
        namespace.close()
        raise
    return Bridge(hosts, namespace)


def _batch(hosts: Hosts) -> str:
    lines = [
        # No waiting before a port may be used, nobody but us learns of others.
        f"link add {BRIDGE} type bridge forward_delay 0 stp_state 0 mcast_snooping 0",
        f"link set dev {BRIDGE} up",
    ]
    for number, (name, namespace) in enumerate(sorted(hosts.namespaces.items())):
        device = hosts.driver_device if name == DRIVER else DEVICE
        port = f"port{number}"
        lines += [
            f"link add {port} {WHOLE_FRAMES} type veth "
            f"peer name {device} {WHOLE_FRAMES} netns {namespace.path}",
            f"link set dev {port} master {BRIDGE} up",
        ]
    return "\n".join(lines) + "\n"
