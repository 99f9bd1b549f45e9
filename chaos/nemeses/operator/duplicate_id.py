"""Two nodes with one id: somebody copied a configuration."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import trio

from chaos.live.faults import Fault, Injection
from chaos.live.seams import LiveNode, World, Wound
from chaos.nemeses.log_marks import LogMark
from chaos.nemeses.operator.command_lines import peer_table, with_peers, with_value
from chaos.nemeses.operator.second_process import SecondProcess
from chaos.nemeses.process.victims import living_victims
from chaos.nemeses.wounds import HealedBy
from raftleader.cli.local_process import child_command, child_environment

NOTICED_WITHIN_S = 10.0
"""A second is usual: it must start first, and reach a member."""
POLL_INTERVAL_S = 0.2
REFUSAL = "with another data directory"
"""What a node says that learns that its name is somebody else's."""


@attrs.frozen
class DuplicateId:
    """``duplicate-id``: a second process with the id of a leader node and an empty data
    directory, on the same host, at ports of its own, with ``--join`` or without.

    It must refuse to run, and say so, or the other nodes must notice: they say that a
    stranger speaks as their member, and take nothing of it. Which of these happened is
    in the detail; neither is a ``problem``. Healed, it is gone."""

    faults: frozenset[Fault] = frozenset({Fault.DUPLICATE_ID})

    def missing(self, fault: Fault) -> str | None:
        """See ``Nemesis``."""
        return None

    async def inject(self, injection: Injection, world: World) -> Wound:
        """See ``Nemesis``."""
        [name] = await living_victims(injection, world.cluster)
        is_joining = random.Random(injection.seed).random() < 0.5
        folder = world.folder / "nemeses" / f"duplicate-{injection.number}"
        folder.mkdir(parents=True, exist_ok=True)
        mark = LogMark.at_end(folder / "log")
        node = world.cluster.node(name)
        duplicate = await SecondProcess.start(
            [
                *world.network.command_prefix(name),
                *child_command(),
                *_arguments(world, node, folder, is_joining=is_joining),
            ],
            log_file=folder / "log",
            environment=child_environment(),
            has_lifeline_flag=True,
        )
        try:
            detail = await _noticed(world, name, duplicate, mark)
        except BaseException:
            await duplicate.end()
            raise

        async def heal() -> Mapping[str, Any]:
            await duplicate.end()
            if detail["said"] or detail["seen_by"]:
                return {}
            return {"problem": f"a second {name} was not noticed: see {folder}/log"}

        return HealedBy(
            targets=(name,),
            means="a second process",
            detail={"joining": is_joining, **detail},
            healing=heal,
        )


def _arguments(
    world: World, node: LiveNode, folder: Path, *, is_joining: bool
) -> list[str]:
    """The node's, with a folder and ports of its own: free ones."""
    ip = world.network.ip(node.name)
    peers = peer_table(node.arguments) | {node.name: f"tcp://{ip}:0"}
    arguments = with_peers(node.arguments, peers)
    for flag, value in (
        ("--data-dir", str(folder / "data")),
        ("--http", f"{ip}:0"),
        ("--agents", f"tcp://{ip}:0"),
        ("--external-log-file", str(folder / "log")),
    ):
        arguments = with_value(arguments, flag, value)
    return [*arguments, "--join"] if is_joining else arguments


async def _noticed(
    world: World, name: str, duplicate: SecondProcess, mark: LogMark
) -> dict[str, Any]:
    """How the duplicate ended, or which nodes say that another directory speaks as
    ``name``, whichever comes first; nothing of either if nothing comes in time."""
    with trio.move_on_after(NOTICED_WITHIN_S):
        while True:
            code = await duplicate.wait_ended(timeout_s=POLL_INTERVAL_S)
            seen_by = await _seen_by(world, name)
            said = mark.line_with([REFUSAL])
            if seen_by or said or code is not None:
                return {"code": code, "said": said, "seen_by": seen_by}
    return {"code": None, "said": "", "seen_by": []}


async def _seen_by(world: World, name: str) -> list[str]:
    """A node that was restarted has to see the stranger anew."""
    return [
        other
        for other, status in (await world.cluster.statuses()).items()
        if status and name in ((status.get("log") or {}).get("strangers") or ())
    ]
