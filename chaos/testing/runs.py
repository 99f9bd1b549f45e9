"""The life of a test's cluster, from its folder to its verdict."""

from __future__ import annotations

import random
import re
import shutil
import time
from functools import partial
from pathlib import Path

import attrs
import msgspec

import raftleader
from chaos.history.writer import HistoryWriter
from chaos.judging.judgement import Judgement
from chaos.live.concluding import conclude, gather, report
from chaos.live.outcome import Ending, Outcome
from chaos.live.run_file import (
    DRIVER_RECORDS,
    OUTCOME,
    RUN,
    VERSION,
    write_json,
)
from chaos.results import Verdict
from chaos.testing.cluster import ChaosCluster
from chaos.testing.errors import BrokenPromiseError, ClusterDiedError
from chaos.testing.guarding import Guard
from chaos.testing.history import WHO, ChaosHistory
from chaos.testing.nemesis import Nemesis
from chaos.testing.portal import Portal
from chaos.testing.request import ClusterRequest
from chaos.testing.session import Session, open_session
from raftleader.cli.exit_codes import one_line
from raftleader.cli.local_cluster import LocalClusterError
from raftleader.errors import RaftLeaderError

START_ATTEMPTS = 3
"""Each on other ports: somebody may have taken one meanwhile."""
PORT_TAKEN = "already in use"
REPORT = "report.html"
SHOWN = 5
_UNUSUAL = re.compile(r"[^A-Za-z0-9_.]+")


def new_folder(parent: Path, name: str) -> Path:
    """Make a folder of its own, also where others do the same at this moment."""
    parent.mkdir(parents=True, exist_ok=True)
    plain = _UNUSUAL.sub("-", name).strip("-.")[-80:] or "test"
    number = 0
    while True:
        number += 1
        folder = parent / (plain if number == 1 else f"{plain}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder.resolve()


@attrs.define(eq=False)
class Run:
    """One cluster of the test session.

    Attributes:
        command: Repeats the test with this seed.
        test: Its name; of what is made by a factory that in which it was made.
        has_failed: Set when a test failed while it was there.
        judgement: When it is finished, if it got so far.
    """

    request: ClusterRequest
    folder: Path
    command: str
    test: str
    has_failed: bool = False
    judgement: Judgement | None = None
    report: Path | None = None
    _portal: Portal[Session] = attrs.field(init=False)
    _journal: HistoryWriter = attrs.field(init=False)
    _history: ChaosHistory = attrs.field(init=False)
    _guard: Guard = attrs.field(init=False)
    _session: Session = attrs.field(init=False)

    def start(self) -> ChaosCluster:
        """Returns when it is ready for work; if it does not get there nothing is left.
        Raises RaftLeaderError, NetworkError or OSError."""
        self._write_run()
        self._guard = Guard.start(self.folder)
        self._journal = HistoryWriter(self.folder / DRIVER_RECORDS)
        try:
            self._session = self._open()
        except BaseException:
            self._journal.close()
            self._release_guard()
            raise
        file = self.folder / "workloads" / f"{WHO}.jsonl"
        file.parent.mkdir(exist_ok=True)
        self._history = ChaosHistory(self.folder, HistoryWriter(file))
        return ChaosCluster(
            self.folder,
            Nemesis(self._portal, self._session),
            self._history,
            random.Random(self.request.seed),
            self._portal,
            self._session,
        )

    def finish(self, *, is_interrupted: bool, is_kept: bool) -> None:
        """Heal, wait, read, stop, judge; and remove the folder if all is well and it
        need not be kept. Raises BrokenPromiseError.

        Interrupted, it stops everything and does nothing else.
        """
        if is_interrupted:
            self._portal.abandon()
            self._close_files()
            return
        try:
            outcome = self._conclude()
        except BaseException:  # a second Ctrl-C, or the test's time is over
            self._portal.abandon()
            raise
        finally:
            self._close_files()
        write_json(self.folder / OUTCOME, msgspec.to_builtins(outcome))
        gather(self.folder)
        _, self.judgement = conclude(self.folder)
        is_broken = self.judgement.verdict is Verdict.INVALID
        if is_broken or self.has_failed or is_kept:
            self.report = report(self.folder)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
        if is_broken:
            raise BrokenPromiseError(self._broken_words())

    def lines(self) -> list[str]:
        """Of the report section of a test that failed: how to see more, and how to have
        it again."""
        return [
            f"seed    {self.request.seed}",
            f"repeat  {self.command}",
            f"report  {self.report or self.folder / REPORT}",
            f"logs    {self.folder / 'nodes'}/*/log",
        ]

    def verdict_lines(self) -> list[str]:
        """Of the section after the test: what was judged."""
        if self.judgement is None:
            return [f"{self.test}: interrupted, not judged"]
        lines = [
            f"{self.test}, seed {self.request.seed}: {_counted(self.judgement)}",
            *_problem_lines(self.judgement, Verdict.INVALID),
            *_problem_lines(self.judgement, Verdict.UNKNOWN),
        ]
        if self.folder.exists():
            lines.append(f"folder  {self.folder}")
            if self.report is None:
                lines.append("report  could not be written: see the log above")
        return lines

    def _broken_words(self) -> str:
        assert self.judgement is not None
        lines = [f"the cluster broke a promise (seed {self.request.seed}):"]
        lines += _problem_lines(self.judgement, Verdict.INVALID)
        return "\n".join([*lines, *self.lines()[1:]])

    def _open(self) -> Session:
        attempt = 0
        while True:
            attempt += 1
            self._portal = Portal(f"the cluster of {self.test}")
            try:
                return self._portal.open(
                    partial(open_session, self.request, self.folder, self._journal)
                )
            except LocalClusterError as error:
                if PORT_TAKEN not in error.detail or attempt == START_ATTEMPTS:
                    raise LocalClusterError(
                        "\n".join(filter(None, (str(error), error.detail))),
                    ) from error

    def _conclude(self) -> Outcome:
        """What became of it; whatever went wrong is in there."""
        outcome = self._session.outcome
        try:
            self._portal.call(self._session.conclude)
            self._portal.close()
        except Exception as error:
            outcome.ending, outcome.why = Ending.FAILED, _words(error)
            self._portal.abandon()
        outcome.ended_ns = self._journal.now_ns()
        return outcome

    def _close_files(self) -> None:
        self._history.close()
        self._journal.close()
        self._release_guard()

    def _release_guard(self) -> None:
        """Unless something lives yet: then it must stay until we are gone."""
        if not self._portal.is_alive:
            self._guard.release()

    def _write_run(self) -> None:
        request = self.request
        write_json(
            self.folder / RUN,
            {
                "version": VERSION,
                "raftleader": raftleader.__version__,
                "command": self.command,
                "test": self.test,
                "wall_s": time.time(),
                "machine": [],
                "request": attrs.asdict(request) | {"for_s": request.duration_s},
                "drawn": {
                    "network": request.network,
                    "disks": "plain",
                    "faults": [],
                    "workloads": [],
                },
                "schedule": [],
                "left_out": [],
                "began_ns": 0,
                "ended_ns": 0,
                "nodes": [],
            },
        )


def _words(error: Exception) -> str:
    """What is no error of ours is told with its kind."""
    is_ours = isinstance(error, RaftLeaderError | ClusterDiedError | OSError)
    return one_line(error) if is_ours else f"{type(error).__name__}: {one_line(error)}"


def _counted(judgement: Judgement) -> str:
    """How many checks came to which end."""
    verdicts = [one.verdict for one in judgement.results]
    words = [f"{verdicts.count(Verdict.VALID)} checks found nothing wrong"]
    if broken := verdicts.count(Verdict.INVALID):
        words.append(f"{broken} found a broken promise")
    if unknown := verdicts.count(Verdict.UNKNOWN):
        words.append(f"{unknown} cannot tell")
    words.append(f"{len(judgement.figures.not_judged)} had nothing to look at")
    return ", ".join(words)


def _problem_lines(judgement: Judgement, verdict: Verdict) -> list[str]:
    lines: list[str] = []
    for one in judgement.results:
        if one.verdict is not verdict:
            continue
        promises = f" ({' '.join(one.promises)})" if one.promises else ""
        lines.append(f"{verdict.value}: {one.checker}{promises}")
        for problem in one.problems[:SHOWN]:
            where = f"{problem.node}: " if problem.node else ""
            lines.append(f"  {where}{problem.text}")
        if len(one.problems) > SHOWN:
            lines.append(f"  and {len(one.problems) - SHOWN} more; see the report")
    return lines
