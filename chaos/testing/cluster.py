"""The cluster of a test: real processes on loopback. Blocking, from any thread."""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import attrs

from chaos.live.plan import LEADER
from chaos.live.seams import LiveNode
from chaos.testing.history import ChaosHistory
from chaos.testing.nemesis import Nemesis
from chaos.testing.portal import Portal
from chaos.testing.request import GUEST, ClusterRequest
from chaos.testing.session import Session

COMMAND_TIMEOUT_S = 30.0


@attrs.frozen(eq=False, repr=False)
class ChaosCluster:
    """Leader nodes ``leader-1`` ... and agents ``agent-1`` ..., ready for work.

    A node that dies is started again after a second. Waiting takes the test's
    ``chaos_duration`` at most, where no other time is given, and then raises
    ``raftleader.errors.RaftLeaderError`` that says what is missing.

    Attributes:
        folder: Of logs, history and report. Gone after a test that passed, unless
            it is kept (``--raftleader-keep``).
        nemesis, history: Those of this cluster.
        rng: For choices of the test itself: drawn from its seed.
    """

    folder: Path
    nemesis: Nemesis
    history: ChaosHistory
    rng: random.Random
    _portal: Portal[Session]
    _session: Session

    def __repr__(self) -> str:
        wanted = self.request
        return f"<cluster of {wanted.leaders} leaders and {wanted.agents} agents>"

    @property
    def request(self) -> ClusterRequest:
        """What was asked for."""
        return self._session.request

    @property
    def seed(self) -> int:
        """Of everything that is drawn in this test."""
        return self.request.seed

    @property
    def leaders(self) -> list[str]:
        """``HOST:PORT`` of every leader node's API: for ``ClusterExecutor``,
        ``SchedulerDriver``, or any framework of Mesos. With ``network="proxies"`` those
        of the proxies before them."""
        cluster, network = self._session.cluster, self._session.world.network
        found = []
        for name in cluster.leaders:
            arguments = cluster.node(name).arguments
            address = arguments[arguments.index("--http") + 1]
            guest = GUEST if self.request.has_proxies else name
            found.append(network.via(guest, name, address))
        return found

    @property
    def leader_names(self) -> list[str]:
        """Of the leader nodes, in the order of ``leaders``."""
        return list(self._session.cluster.leaders)

    @property
    def agents(self) -> list[str]:
        """Names of the agents."""
        return list(self._session.cluster.agents)

    @property
    def leader(self) -> str:
        """The name of the leader node that leads; waits until one does."""
        return self.wait_leader()

    @property
    def leader_address(self) -> str:
        """``HOST:PORT`` of the one that leads; waits until one does."""
        return self.address(self.leader)

    @property
    def env(self) -> dict[str, str]:
        """For a framework that is a process of its own, beside ``os.environ``.

        ``RAFTLEADER_LEADERS`` has all addresses, as our own commands want them,
        ``MESOS_MASTER`` one, ``RAFTLEADER_SEED`` the test's seed.
        """
        leaders = self.leaders
        return {
            "RAFTLEADER_LEADERS": ",".join(leaders),
            "MESOS_MASTER": leaders[0],
            "RAFTLEADER_SEED": str(self.seed),
        }

    def address(self, name: str) -> str:
        """``HOST:PORT`` of the API of a leader node, or of an agent."""
        if self._node(name).kind == LEADER:
            return self.leaders[self.leader_names.index(name)]
        return self._node(name).http

    def wait_ready(self, timeout_s: float | None = None) -> str:
        """Until somebody leads, all leader nodes follow and are up to date, and every
        agent is connected. Returns the name of the one that leads."""
        cluster = self._session.cluster
        wait = partial(cluster.wait_ready, timeout_s=self._time(timeout_s))
        return self._portal.call(wait)

    def wait_leader(
        self, *, besides: str | None = None, timeout_s: float | None = None
    ) -> str:
        """Until somebody leads, not ``besides``; the name."""
        wait = partial(
            self._session.cluster.wait_leader,
            besides=besides,
            timeout_s=self._time(timeout_s),
        )
        return self._portal.call(wait)

    def status(self) -> dict[str, dict[str, Any] | None]:
        """What each leader node says of itself (GET /raftleader/v1/status); None for
        one that does not answer."""
        found = self._portal.call(self._session.cluster.statuses)
        return {name: None if one is None else dict(one) for name, one in found.items()}

    def operator(self, call: Mapping[str, Any], timeout_s: float = 10.0) -> Any:
        """A call of Mesos' operator API at the one that leads, e.g.
        ``{"type": "GET_AGENTS"}``; its answer."""
        ask = partial(self._session.cluster.operator, call, timeout_s=timeout_s)
        return self._portal.call(ask)

    def command(
        self, *arguments: str, timeout_s: float = COMMAND_TIMEOUT_S
    ) -> tuple[int, str]:
        """``raftleader ARGUMENTS`` for this cluster: its exit code, and all it said."""
        run = partial(self._session.cluster.command, *arguments, timeout_s=timeout_s)
        return self._portal.call(run)

    def pid(self, name: str) -> int | None:
        """Of a node; None while it is dead."""
        self._node(name)
        return self._session.cluster.pid(name)

    def log(self, name: str) -> str:
        """What a node has logged so far, over all its lives."""
        file = self.log_file(name)
        return file.read_text(encoding="utf-8", errors="replace")

    def log_file(self, name: str) -> Path:
        return self._node(name).log_file

    def _node(self, name: str) -> LiveNode:
        cluster = self._session.cluster
        known = [*cluster.leaders, *cluster.agents]
        if name not in known:
            raise ValueError(f"no node is called {name!r}; there are {known}")
        return cluster.node(name)

    def _time(self, timeout_s: float | None) -> float:
        return self.request.duration_s if timeout_s is None else timeout_s
