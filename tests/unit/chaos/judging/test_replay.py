"""What the replay finds when the state machine itself is wrong: each bug is planted
into ``apply``, and stands for one in all nodes of a run."""

import pytest

from chaos.checkers.accepts_once import AcceptsOnce
from chaos.checkers.deadlines_durable import DeadlinesDurable
from chaos.checkers.deposed_harmless import DeposedHarmless
from chaos.checkers.no_resource_twice import NoResourceTwice
from chaos.checkers.offers_accounted import OffersAccounted
from chaos.checkers.quota_kept import QuotaKept
from chaos.judging.replay import Replay, cluster_id_of, replay
from chaos.judging.streams import Stream, join_streams
from chaos.observation.format import AppliedEntry, AppliedRecord, Begin, Restored
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import AgentId, FrameworkId, NodeId, OfferId, TaskId
from raftleader.protocol.offers import Launch
from raftleader.protocol.operator_values import Quota
from raftleader.protocol.resources import parse_resources
from raftleader.protocol.tasks import CommandInfo, TaskInfo
from raftleader.state import apply, apply_accept, apply_offers, apply_time
from raftleader.state import commands as c
from raftleader.state.operator_commands import SetQuotas
from raftleader.state.outcomes import Accepted
from raftleader.state.quota_limits import QuotaLimits

FRAMEWORK, AGENT = FrameworkId("x-F3-0"), AgentId("x-S2-0")
OFFER = OfferId("x-O4-0-0")
SECOND_NS = 1_000_000_000


def grant(resources: str) -> c.GrantOffers:
    one = c.Grant(
        framework_id=FRAMEWORK,
        role="web",
        agent_id=AGENT,
        resources=parse_resources(resources),
    )
    return c.GrantOffers(grants=(one,), offer_timeout_ms=5_000)


BEGUN: list[c.Command] = [
    c.BeginTerm(http_address="n:1"),
    c.RegisterAgent(
        key="k",
        info=AgentInfo(
            hostname="agent-1",
            ip="127.0.0.1",
            port=1,
            resources=parse_resources("cpus:4;mem:1024"),
        ),
    ),
    c.SubscribeFramework(
        info=FrameworkInfo(
            user="u", name="f", roles=("web",), failover_timeout_ms=600_000
        )
    ),
    grant("cpus:1;mem:64"),
]
"""Entries 1 to 4."""
ACCEPT = c.AcceptOffers(
    framework_id=FRAMEWORK,
    offer_ids=(OFFER,),
    operations=(
        Launch(
            tasks=(
                TaskInfo(
                    name="t",
                    task_id=TaskId("t"),
                    agent_id=AGENT,
                    resources=parse_resources("cpus:1"),
                    command=CommandInfo(value="true"),
                ),
            )
        ),
    ),
)


def stream_of(
    *commands: c.Command, terms: dict[int, int] | None = None, step_ms: int = 1000
) -> Stream:
    """A command an entry; ``terms``: those in which some entries say they were made,
    where it is not the term 1 of the log."""
    records: list[AppliedRecord] = [Begin(node="n", pid=1, at_ns=0, wall_ms=0)]
    for index, command in enumerate(commands, start=1):
        entry = c.Entry(
            term=(terms or {}).get(index, 1),
            node=NodeId("n"),
            now_ms=1_000_000 + index * step_ms,
            commands=(command,),
        )
        records.append(
            AppliedEntry(
                index=index,
                term=1,
                at_ns=index * step_ms * 1_000_000,
                data=c.encode_entry(entry),
            )
        )
    return join_streams([("n", 1, records)])


def texts(found: Replay, checker: type) -> list[str]:
    return [problem.text for problem in found.of(checker.name)]


def test_replay_finds_nothing_when_nothing_is_wrong() -> None:
    found = replay(stream_of(*BEGUN, ACCEPT, c.PassTime()))

    assert found.problems == {}
    assert found.entries == 6
    assert found.facts.launches == {"t": [(5, FRAMEWORK)]}
    assert found.facts.offers[OFFER].ended == 5
    assert found.judge.accepts.judged == 1


def test_cluster_id_is_read_from_the_ids_in_the_log() -> None:
    assert cluster_id_of(stream_of(*BEGUN)) == "x"
    assert cluster_id_of(stream_of(*BEGUN[:3])) == ""


def test_replay_refuses_a_log_without_its_beginning() -> None:
    whole = stream_of(*BEGUN)
    life = whole.lives[0]
    life.restored.append((0, Restored(index=3, at_ns=0, digest=b"")))

    with pytest.raises(ValueError, match="begins with 1"):
        replay(whole)


def test_replay_compares_digests_of_nodes() -> None:
    whole = stream_of(*BEGUN)
    whole.lives[0].digests.append((2, b"wrong"))

    found = replay(whole)

    assert found.digests == 1
    (problem,) = found.problems["P9 equal digests at an index"]
    assert problem.index == 2
    assert problem.node == "n"


def test_resource_given_twice_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply_offers, "_fits", lambda state, grant: True)

    found = replay(stream_of(*BEGUN, grant("cpus:4")))

    assert any("are given" in text for text in texts(found, NoResourceTwice))
    assert found.problems[NoResourceTwice.name][0].index == 5


def test_offer_that_is_forgotten_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def forget(state, ctx, offer_ids):
        for offer_id in offer_ids:
            apply_offers.drop_offer(state, ctx, state.offers[offer_id])

    monkeypatch.setattr(apply_time, "rescind_offers", forget)

    found = replay(stream_of(*BEGUN, c.PassTime(), step_ms=10_000))

    assert texts(found, OffersAccounted) == [
        f"entry 5 forgets offer {OFFER} of {FRAMEWORK}"
    ]


def test_accept_without_an_outcome_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        apply, "apply_accept_offers", lambda state, ctx, command: Accepted()
    )
    assert apply_accept.apply_accept_offers is not apply.apply_accept_offers

    found = replay(stream_of(*BEGUN, ACCEPT))

    assert texts(found, AcceptsOnce) == [
        "entry 5: task t is neither launched nor refused"
    ]


def test_deadline_that_is_shortened_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply_time, "max", min, raising=False)

    found = replay(stream_of(*BEGUN, c.BeginTerm(http_address="n:1")))

    assert texts(found, DeadlinesDurable) == [
        f"{FRAMEWORK} has less than its timeout left"
    ]


def test_entry_of_a_deposed_leader_that_counts_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(apply, "_fence", lambda state, term, entry: None)

    found = replay(stream_of(*BEGUN, ACCEPT, terms={5: 0}))

    (text,) = texts(found, DeposedHarmless)
    assert "made in term 0, counts in term 1" in text


def test_entry_of_a_deposed_leader_is_fenced() -> None:
    found = replay(stream_of(*BEGUN, ACCEPT, terms={5: 0}))

    assert found.problems == {}
    assert found.judge.deposed.fenced == 1
    assert found.facts.launches == {}


def test_quota_that_is_exceeded_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QuotaLimits, "allows", lambda self, role, resources: True)
    quota = SetQuotas(quotas={"web": Quota(limits={"cpus": 1500})})

    found = replay(stream_of(*BEGUN, quota, grant("cpus:2")))

    (text,) = texts(found, QuotaKept)
    assert "role web holds 3000 of cpus" in text


def test_clock_that_runs_too_fast_is_found_unless_it_was_made_to() -> None:
    slow = stream_of(*BEGUN, c.PassTime(), step_ms=60_000)
    fast = Stream(
        entries=[
            type(one)(
                index=one.index,
                term=one.term,
                data=one.data,
                node=one.node,
                at_ns=one.at_ns // 2,
            )
            for one in slow.entries
        ],
        lives=slow.lives,
        compared=0,
        differences=[],
    )

    assert any(
        "cluster time has run" in one for one in texts(replay(fast), DeadlinesDurable)
    )
    assert not texts(replay(fast, rate_max=2.5), DeadlinesDurable)
