"""``docs/mesos-compatibility.md``, as text.

Written anew by ``python -m raftleader.protocol.compatibility > docs/FILE``.
"""

from __future__ import annotations

from collections.abc import Iterator

from raftleader.protocol.compatibility import SECTIONS, Entry, Section, Standing

_HEAD = """\
# What of Mesos works here

Frameworks, executors and tools for the Mesos v1 HTTP API run unmodified, as far as
this page says. *works* means as in Mesos; *differs* says how; *not yet* says what is
missing. The last column names the test that shows it.

This page is made from the registry in `raftleader/protocol/compatibility/`. Tests hold
that to Mesos' own list of calls, events and fields, and to running servers.

Tried with programs that others wrote, or that stand on clients that others wrote:

* pymesos 0.3.15 (Python): schedulers, executors and an operator, through a standby and
  while the leader is killed, and its `pymesos.subprocess`, in `tests/interop/`.
* mesoshttp 0.4.2 (Python): schedulers, as above, in `tests/interop/`.
* mesos-framework 0.5.3 (Node.js), by hand: its scheduler, through a standby.
* mesos-go in protobuf, by hand: its example scheduler, from which its executor is
  fetched; `msh`, also with task groups; `mwatch`.
* mesos-rxjava 0.2 in protobuf, by hand: its example framework, through a standby.
"""


def page() -> str:
    """The whole page, without a line feed at its end."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield _HEAD
    yield from _summary()
    for section in SECTIONS:
        yield ""
        yield f"## {section.title}"
        yield ""
        if section.words:
            yield section.words
            yield ""
        yield "| | | | shown by |"
        yield "|---|---|---|---|"
        for entry in section.entries:
            yield _row(section, entry)


def _summary() -> Iterator[str]:
    words = [standing.value for standing in Standing]
    yield "| | " + " | ".join(words) + " |"
    yield "|---|" + "---|" * len(words)
    for section in SECTIONS:
        counts = [
            sum(entry.standing is standing for entry in section.entries)
            for standing in Standing
        ]
        numbers = " | ".join(str(count) for count in counts)
        yield f"| [{section.title}](#{_anchor(section.title)}) | {numbers} |"


def _row(section: Section, entry: Entry) -> str:
    is_word = section.enum is None and not entry.name.startswith("/")
    name = entry.name if is_word else f"`{entry.name}`"
    test = f"`{entry.test}`" if entry.test else ""
    return f"| {name} | {entry.standing.value} | {entry.note} | {test} |"


def _anchor(title: str) -> str:
    kept = [c for c in title.lower() if c.isalnum() or c in " -"]
    return "".join(kept).replace(" ", "-")
