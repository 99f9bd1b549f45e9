"""``/metrics``: what went through each proxy, and what the process uses.

Bytes are counted when a direction of a connection is over, as in the real one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import attrs
import psutil

from chaos.proxy.links import Counted
from chaos.proxy.proxies import Proxy

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"

_RECEIVED = "toxiproxy_proxy_received_bytes_total"
_SENT = "toxiproxy_proxy_sent_bytes_total"


@attrs.define(kw_only=True)
class Metrics:
    """What is counted and shown.

    Attributes:
        has_proxies: Bytes of each proxy, direction, listener and upstream.
        has_runtime: Memory, processor time and descriptors of this process. (The real
            one shows what its language's runtime knows of itself, too.)
    """

    has_proxies: bool = False
    has_runtime: bool = False
    _bytes: dict[str, Counter[str]] = attrs.field(
        factory=lambda: {_RECEIVED: Counter(), _SENT: Counter()}, init=False
    )

    @property
    def are_shown(self) -> bool:
        return self.has_proxies or self.has_runtime

    def count_bytes(self, proxy: Proxy, direction: str, counted: Counted) -> None:
        """A direction of a connection is over."""
        if not self.has_proxies:
            return
        named = {
            "direction": direction,
            "listener": proxy.listen,
            "proxy": proxy.name,
            "upstream": proxy.upstream,
        }
        labels = ",".join(f'{key}="{_escaped(value)}"' for key, value in named.items())
        self._bytes[_RECEIVED][labels] += counted.received
        self._bytes[_SENT][labels] += counted.sent

    def text(self) -> str:
        """In Prometheus' format."""
        return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        if self.has_runtime:
            yield from _runtime_lines()
        for name, counts in self._bytes.items():
            if counts:
                yield from _described(name, "", "counter")
            for labels, value in sorted(counts.items()):
                yield f"{name}{{{labels}}} {value}"


def _runtime_lines() -> Iterator[str]:
    process = psutil.Process()
    with process.oneshot():
        times, memory = process.cpu_times(), process.memory_info()
        rows = (
            ("cpu_seconds_total", "counter", times.user + times.system),
            ("open_fds", "gauge", process.num_fds()),
            ("resident_memory_bytes", "gauge", memory.rss),
            ("start_time_seconds", "gauge", process.create_time()),
            ("virtual_memory_bytes", "gauge", memory.vms),
        )
    for name, kind, value in rows:
        yield from _described(f"process_{name}", "Of this process.", kind)
        yield f"process_{name} {value}"


def _described(name: str, text: str, kind: str) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
