"""What the fixtures do, apart from pytest's hooks: imported when one is used."""

from __future__ import annotations

import random
import shlex
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import attrs

from chaos.testing.cluster import ChaosCluster
from chaos.testing.errors import ClusterStartError
from chaos.testing.request import ClusterRequest, request_of
from chaos.testing.runs import Run, new_folder
from raftleader.errors import RaftLeaderError

SEED_DRAWN_BITS = 32
"""A seed that a person can still type."""
SECTION = "raftleader"
TEARDOWN_SECTION = "raftleader teardown"
"""pytest shows sections with that word after a test that failed."""


def drawn_seed() -> int:
    """Another one each time."""
    return random.SystemRandom().getrandbits(SEED_DRAWN_BITS)


def repeat_command(nodeid: str, seed: int, *, options: tuple[str, ...]) -> str:
    """``pytest NODEID --raftleader-seed N``, to be pasted into a shell."""
    return shlex.join(["pytest", *options, nodeid, "--raftleader-seed", str(seed)])


@attrs.define(eq=False)
class Book:
    """The clusters of a session of pytest (or of one of its workers).

    Attributes:
        folder: In which each cluster has its own.
        is_kept: Also after tests that pass.
        options: What pytest must be told so that it knows this plugin.
    """

    folder: Path
    is_kept: bool
    options: tuple[str, ...]
    is_interrupted: bool = False
    nodeid: str = ""
    _open: list[Run] = attrs.field(factory=list)
    _finished: list[Run] = attrs.field(factory=list)

    @contextmanager
    def cluster(self, request: ClusterRequest) -> Iterator[ChaosCluster]:
        """A cluster for the block. Raises ClusterStartError before, BrokenPromiseError
        after it."""
        run = Run(
            request,
            new_folder(self.folder, self._name(request)),
            repeat_command(self.nodeid, request.seed, options=self.options),
            self.nodeid,
        )
        try:
            cluster = run.start()
        except RaftLeaderError as error:
            text = "\n".join([f"the cluster did not start: {error}", *run.lines()])
            raise ClusterStartError(text) from error
        self._open.append(run)
        try:
            yield cluster
        except BaseException:
            run.has_failed = True
            raise
        finally:
            self._open.remove(run)
            try:
                run.finish(is_interrupted=self.is_interrupted, is_kept=self.is_kept)
            finally:
                self._finished.append(run)

    def factory(
        self, seed: int | None
    ) -> Callable[..., AbstractContextManager[ChaosCluster]]:
        """See the fixture."""

        def make(
            *, chaos_duration: str | float | None = None, **arguments: Any
        ) -> AbstractContextManager[ChaosCluster]:
            wanted = arguments.pop("seed", None)
            chosen = next(
                one for one in (seed, wanted, drawn_seed()) if one is not None
            )
            return self.cluster(
                request_of(arguments, seed=chosen, duration=chaos_duration)
            )

        return make

    def failed(self) -> list[str]:
        """A test has failed: of each cluster that is there, the lines to be shown."""
        for run in self._open:
            run.has_failed = True
        return ["\n".join(run.lines()) for run in self._open]

    def verdicts(self) -> list[str]:
        """Of each cluster that has ended since this was asked."""
        finished, self._finished = self._finished, []
        return ["\n".join(run.verdict_lines()) for run in finished]

    def _name(self, request: ClusterRequest) -> str:
        name = self.nodeid.rpartition("/")[2].replace("::", "-")
        return f"{name}-{request.seed}"
