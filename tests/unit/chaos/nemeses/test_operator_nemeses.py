"""What operators do to a cluster, against plain processes that answer as ours do."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import psutil
import pytest
import trio
from support.plain_cluster import PlainCluster, injection, plain_world, python, until

from chaos.live.faults import Fault, Target
from chaos.live.seams import ImpossibleError, LiveNode
from chaos.nemeses.operator import group, transfer
from chaos.nemeses.operator.draining import Draining
from chaos.nemeses.operator.duplicate_id import DuplicateId
from chaos.nemeses.operator.group import GroupChangeError, GroupOperator, empty_folder
from chaos.nemeses.operator.membership import MemberChange
from chaos.nemeses.operator.rolling_restart import RollingRestart
from chaos.nemeses.operator.transfer import LeadershipTransfer
from chaos.nemeses.operator.wrong_config import PORT_IN_USE, SAYS, WrongConfig
from raftleader.errors import ApiError, OutcomeUnknownError, UnavailableError

CHECKING = """
import socket, sys, time
arguments = sys.argv[1:]
values = dict(zip(arguments, arguments[1:]))
if values.get("--cluster-id"):
    sys.exit("raftleader: journal X is of cluster 'raftleader', node 'leader-1'")
if values.get("--engine"):
    sys.exit("raftleader: journal X was written by the engine 'raft'")
if not any(word.startswith(values["--node-id"] + "=") for word in arguments):
    sys.exit("raftleader: node_id: 'leader-1' is none of peers (somebody-else)")
host, _, port = values["--http"].rpartition(":")
try:
    listener = socket.create_server((host, int(port)))
except OSError:
    sys.exit("raftleader: http: it is already in use")
print("serving")
time.sleep(600)
"""


async def test_rolling_restart_restarts_every_node_one_at_a_time(
    tmp_path: Path,
) -> None:
    async with plain_world(tmp_path, agents=0, frameworks=0) as (world, cluster):
        wound = await RollingRestart().inject(
            injection(Fault.ROLLING_RESTART, Target.ALL), world
        )
        assert sorted(wound.targets) == cluster.leaders
        assert cluster.events == [f"SIGTERM {name}" for name in wound.targets]
        assert cluster.lives == dict.fromkeys(cluster.leaders, 2)
        assert wound.detail == {}
        assert await wound.heal() == {}
        assert not any(cluster.holds.values())


async def test_rolling_restart_stops_when_the_group_is_not_well(tmp_path: Path) -> None:
    async with plain_world(tmp_path, agents=0, frameworks=0) as (world, cluster):
        cluster.led_by = "nobody"
        nemesis = RollingRestart(healthy_within_s=0.05)
        wound = await nemesis.inject(
            injection(Fault.ROLLING_RESTART, Target.ALL), world
        )
        assert len(wound.targets) == 1
        assert wound.detail["stopped_after"] == wound.targets[0]
        assert all(cluster.pid(name) for name in cluster.leaders)


@attrs.define
class FakeGroup:
    """Members as the fake nodes tell them, changed by what is posted."""

    cluster: PlainCluster
    voters: dict[str, bool]
    refusals: int = 0
    has_been_empty: bool = False

    def status(self, name: str) -> dict[str, Any]:
        rows = [{"id": one, "is_voter": voter} for one, voter in self.voters.items()]
        return {"log": {"members": rows}}

    def change(self, wanted: Any) -> None:
        if self.refusals:
            self.refusals -= 1
            raise ApiError(400, "another change is under way")
        [(change, who)] = wanted.items()
        if change == "remove":
            del self.voters[who]
        elif change == "add":
            node = self.cluster.node(who["id"])
            assert node.arguments[-1] == "--join"
            assert who["address"] == "tcp://127.0.0.1:2"
            assert node.data_dir is not None
            self.has_been_empty = not list(node.data_dir.iterdir())
            self.voters[node.name] = False
        else:
            self.voters[who] = True


def grouped(cluster: PlainCluster, **options: int) -> FakeGroup:
    members = FakeGroup(cluster, dict.fromkeys(cluster.leaders, True), **options)
    cluster.change, cluster.status_of = members.change, members.status
    for name in cluster.leaders:
        folder = cluster.node(name).data_dir
        assert folder is not None
        (folder / "journal").mkdir()
        (folder / "journal" / "segment").write_text("votes")
    return members


async def test_member_leaves_and_comes_back_with_an_empty_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "PAUSE_S", 0.01)
    async with plain_world(tmp_path, agents=0, frameworks=0) as (world, cluster):
        members = grouped(cluster, refusals=2)
        wound = await MemberChange().inject(
            injection(Fault.MEMBERSHIP, Target.ONE), world
        )
        [name] = wound.targets
        assert name not in members.voters
        assert cluster.lives[name] == 2
        assert wound.detail == {"members_before": 3}

        members.refusals = 3
        assert await wound.heal() == {"members_after": 3}
        assert members.has_been_empty
        assert members.voters == dict.fromkeys(cluster.leaders, True)
        assert "--join" not in cluster.node(name).arguments
        assert not any(cluster.holds.values())


async def test_member_stays_when_its_removal_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "PAUSE_S", 0.01)
    monkeypatch.setattr(group, "CHANGE_WITHIN_S", 0.1)
    async with plain_world(tmp_path, agents=0, frameworks=0) as (world, cluster):
        members = grouped(cluster, refusals=1000)
        with pytest.raises(ImpossibleError, match="another change is under way"):
            await MemberChange().inject(
                injection(Fault.MEMBERSHIP, Target.LEADER), world
            )
        assert len(members.voters) == 3
        assert set(cluster.lives.values()) == {1}


async def test_member_comes_back_when_the_fault_is_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "PAUSE_S", 0.01)
    async with plain_world(tmp_path, agents=0, frameworks=0) as (world, cluster):
        members = grouped(cluster)
        with trio.CancelScope() as scope:

            def remove_and_cancel(wanted: Any) -> None:
                scope.cancel()
                members.change(wanted)

            cluster.change = remove_and_cancel
            await MemberChange().inject(injection(Fault.MEMBERSHIP, Target.ONE), world)
        assert scope.cancelled_caught
        assert members.voters == dict.fromkeys(cluster.leaders, True)
        assert not any(cluster.holds.values())


async def test_member_change_says_what_the_leader_answered_when_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "CHANGE_WITHIN_S", 0.05)
    async with plain_world(tmp_path, agents=0, frameworks=0) as (_, cluster):
        cluster.led_by = "nobody"
        with pytest.raises(GroupChangeError, match=r"leader-1.*nobody leads"):
            await GroupOperator(cluster).remove("leader-1")


def test_folder_is_emptied_and_stays(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").write_text("x")
    (tmp_path / "link").symlink_to("a")
    empty_folder(tmp_path)
    assert list(tmp_path.iterdir()) == []


async def test_transfer_asks_for_another_node_that_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "HAND_OVER_WITHIN_S", 0.5)
    monkeypatch.setattr(transfer, "PAUSE_S", 0.01)
    async with plain_world(tmp_path, agents=0, frameworks=0) as (world, cluster):
        cluster.led_by = "leader-3"
        one = injection(Fault.TRANSFER, Target.LEADER)
        wound = await LeadershipTransfer().inject(one, world)
        assert wound.detail["from"] == "leader-3"
        assert wound.detail["to"] in ("leader-1", "leader-2")
        [asked] = cluster.events
        assert json.loads(asked.partition(" ")[2]) == {"transfer": wound.detail["to"]}
        assert await wound.heal() == {}

        refused = wound.detail["to"]

        def refuse_one(wanted: Any) -> None:
            if wanted["transfer"] == refused:
                raise ApiError(400, f"{refused} lags behind")
            raise OutcomeUnknownError("lost")

        cluster.change = refuse_one
        wound = await LeadershipTransfer().inject(one, world)
        assert wound.detail["to"] != refused
        assert wound.detail["is_known"] is False

        def refuse(wanted: Any) -> None:
            raise ApiError(400, "it lags behind")

        cluster.change = refuse
        with pytest.raises(ImpossibleError, match="it lags behind"):
            await LeadershipTransfer().inject(one, world)
        for name in ("leader-1", "leader-2"):
            cluster.hold(name)
            cluster.kill(name)
            await cluster.wait_dead(name)
        with pytest.raises(ImpossibleError, match="no other node"):
            await LeadershipTransfer().inject(one, world)


@attrs.define
class FakeAgents:
    """Answers of the operator API; ``problems`` are raised first."""

    problems: list[Exception] = attrs.field(factory=list)
    calls: list[Mapping[str, Any]] = attrs.field(factory=list)

    def answer(self, call: Mapping[str, Any]) -> Any:
        if call["type"] == "GET_AGENTS":
            infos = [
                {"hostname": f"agent-{one}", "id": {"value": f"S{one}"}}
                for one in (1, 2)
            ]
            return {"get_agents": {"agents": [{"agent_info": one} for one in infos]}}
        if self.problems:
            raise self.problems.pop(0)
        self.calls.append(call)
        return None


async def test_drained_agent_is_reactivated_also_when_answers_are_lost(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with plain_world(tmp_path, leaders=1) as (world, cluster):
        nobody_leads = ApiError(503, "No leader elected")
        agents = FakeAgents([nobody_leads, OutcomeUnknownError("lost")])
        cluster.answer = agents.answer
        wound = await Draining().inject(injection(Fault.DRAIN, Target.AGENT), world)
        agent_id = wound.targets[0].replace("agent-", "S")
        assert wound.detail == {"agent_id": agent_id, "is_known": False}

        lost = OutcomeUnknownError("lost")
        agents.problems = [UnavailableError("no leader"), nobody_leads, lost]
        assert await wound.heal() == {}
        body = {"agent_id": {"value": agent_id}}
        assert agents.calls == [{"type": "REACTIVATE_AGENT", "reactivate_agent": body}]

        agents.problems = [UnavailableError("no leader")] * 100
        with pytest.raises(ImpossibleError, match="DRAIN_AGENT: no leader"):
            await Draining().inject(injection(Fault.DRAIN, Target.AGENT), world)
        cluster.answer = lambda call: {"get_agents": {}}
        with pytest.raises(ImpossibleError, match="is not registered now"):
            await Draining().inject(injection(Fault.DRAIN, Target.AGENT), world)


async def test_drain_is_told_when_it_cannot_be_taken_back(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with plain_world(tmp_path, leaders=1) as (world, cluster):
        agents = FakeAgents()
        cluster.answer = agents.answer
        wound = await Draining().inject(injection(Fault.DRAIN, Target.AGENT), world)
        agents.problems = [ApiError(400, "it is gone")]
        assert await wound.heal() == {"refused": "HTTP 400: it is gone"}
        agents.problems = [UnavailableError("no leader")] * 1000
        assert "could not be reactivated" in (await wound.heal())["problem"]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def checking(node: LiveNode) -> list[str]:
    return [*python(CHECKING), *node.arguments]


@pytest.mark.parametrize("mistake", sorted(SAYS))
async def test_wrong_config_is_refused_in_words_and_put_right(
    mistake: str, tmp_path: Path
) -> None:
    seed = next(one for one in range(100) if drawn_mistake(one) == mistake)
    async with plain_world(
        tmp_path, leaders=1, agents=0, frameworks=0, command_of=lambda node: ("true",)
    ) as (world, cluster):
        node = cluster.node("leader-1")
        node.arguments[node.arguments.index("--http") + 1] = f"127.0.0.1:{free_port()}"
        right = list(node.arguments)
        cluster.command_of = checking
        await cluster.wait_dead("leader-1")
        cluster.start("leader-1")
        await until(lambda: "serving" in node.log_file.read_text())

        wound = await WrongConfig().inject(
            injection(Fault.WRONG_CONFIG, Target.ONE, seed=seed), world
        )
        assert wound.detail["mistake"] == mistake
        assert SAYS[mistake] in wound.detail["said"]
        assert cluster.pid("leader-1") is None
        assert await wound.heal() == {}
        assert node.arguments == right
        await until(lambda: node.log_file.read_text().count("serving") == 2)
        assert not any(cluster.holds.values())


def drawn_mistake(seed: int) -> str:
    from random import Random

    return Random(seed).choice(sorted(SAYS))


@pytest.mark.parametrize(
    ("program", "key", "words"),
    [
        ("import time; print('serving'); time.sleep(9)", "violation", "served"),
        ("raise OSError(98)", "violation", "did not say why"),
        ("import time; time.sleep(9)", "problem", "had not refused yet"),
    ],
)
async def test_wrong_config_that_is_not_refused_is_told(
    program: str, key: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chaos.nemeses.operator.wrong_config.REFUSED_WITHIN_S", 0.3)
    seed = next(one for one in range(100) if drawn_mistake(one) != PORT_IN_USE)
    async with plain_world(tmp_path, leaders=1) as (world, cluster):
        cluster.command_of = lambda node: python(program)
        wound = await WrongConfig().inject(
            injection(Fault.WRONG_CONFIG, Target.ONE, seed=seed), world
        )
        assert wound.detail["said"] == ""
        cluster.command_of = checking
        assert words in (await wound.heal())[key]
        assert cluster.pid("leader-1") is not None


async def test_second_process_of_one_id_is_noticed_and_ended(tmp_path: Path) -> None:
    async with plain_world(tmp_path, leaders=2, agents=0) as (world, cluster):
        cluster.status_of = lambda name: {"log": {"strangers": ["leader-1"]}}
        one = injection(Fault.DUPLICATE_ID, Target.LEADER)
        wound = await DuplicateId().inject(one, world)
        assert wound.detail["seen_by"] == ["leader-1", "leader-2"]
        [child] = [
            child
            for child in psutil.Process().children()
            if child.cmdline()[:1] == [sys.executable]
            and "--node-id" in child.cmdline()
        ]
        line = child.cmdline()
        assert "leader-1=tcp://127.0.0.1:0" in line
        assert str(tmp_path / "leader-1" / "data") not in line
        assert await wound.heal() == {}
        assert not child.is_running()


async def test_second_process_of_one_id_is_a_problem_when_nobody_notices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chaos.nemeses.operator.duplicate_id.NOTICED_WITHIN_S", 0.3)
    async with plain_world(tmp_path, leaders=1, agents=0) as (world, _):
        one = injection(Fault.DUPLICATE_ID, Target.ONE)
        wound = await DuplicateId().inject(one, world)
        assert "was not noticed" in (await wound.heal())["problem"]
