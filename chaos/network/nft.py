"""Rules of links as a table of nftables. Pure.

The table filters what a bridge forwards, by the two hardware addresses of a frame. A
text replaces the whole table in one transaction: no frame ever meets half of the rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from chaos.live.seams import Link, LinkFault
from chaos.network.layout import Layout

TABLE = "rlclinks"
PROBABILITY_STEPS = 1_000_000


def table_text(rules: Mapping[Link, LinkFault], layout: Layout) -> str:
    """For ``nft -f -``: these rules, and no others."""
    lines = "\n".join(f"    {line}" for line in _lines(rules, layout))
    return (
        f"table bridge {TABLE}\n"  # so that there is one to delete
        f"delete table bridge {TABLE}\n"
        f"table bridge {TABLE} {{\n"
        "  chain links {\n"
        "    type filter hook forward priority 0; policy accept;\n"
        f"{lines}\n"
        "  }\n"
        "}\n"
    )


def _lines(rules: Mapping[Link, LinkFault], layout: Layout) -> Iterator[str]:
    hosts = layout.hosts
    cut = [
        f"{hosts[source].mac} . {hosts[target].mac}"
        for (source, target), fault in rules.items()
        if fault.is_cut
    ]
    if cut:
        yield f"ether saddr . ether daddr {{ {', '.join(cut)} }} drop"
    for (source, target), fault in rules.items():
        if fault.is_cut:
            continue
        match = f"ether saddr {hosts[source].mac} ether daddr {hosts[target].mac}"
        if steps := round(fault.loss * PROBABILITY_STEPS):
            yield f"{match} numgen random mod {PROBABILITY_STEPS} < {steps} drop"
        if (rate := fault.bytes_per_s) is not None:
            # After a quiet second, a second's worth passes at once: nftables has no
            # smaller bucket.
            yield f"{match} limit rate over {rate} bytes/second drop"
