from __future__ import annotations

import msgspec
import pytest

from raftleader.errors import InvalidInputError
from raftleader.protocol.tasks import TaskState
from raftleader.state import commands as c
from raftleader.state.cluster import ClusterState
from raftleader.state.snapshot import decode_snapshot, digest, encode_snapshot
from raftleader.state.trial import Trial


@pytest.fixture
def state(trial: Trial) -> ClusterState:
    agent = trial.register("cpus:9;mem:100;ports:[1-9];gpus:{a,b}")
    trial.register("cpus:1", key="k2")
    framework = trial.subscribe(roles=("web",), capabilities=("PARTITION_AWARE",))
    gone = trial.subscribe()
    offer = trial.offer(framework, agent, "cpus:3;ports:[1-3]", role="web")
    trial.launch(framework, offer, "t", "done", "refused", "t")
    trial.report(framework, "t", TaskState.RUNNING)
    uuid = trial.report(framework, "done", TaskState.FINISHED)
    trial.acknowledge(framework, "done", uuid)
    refused = trial.offer(framework, agent, "cpus:1;gpus:{b}", role="web")
    trial.offer(framework, agent, "cpus:1;gpus:{a}", role="web")
    trial.apply(
        c.DeclineOffers(framework_id=framework, offer_ids=(refused,), refuse_ms=90_000),
        c.TeardownFramework(framework_id=gone),
        c.SetWeights(weights={"web": 2000, "db": 3000}),
    )
    return trial.state


def test_snapshot_round_trip_keeps_everything(state: ClusterState) -> None:
    data = encode_snapshot(state)
    assert decode_snapshot(data) == state
    assert encode_snapshot(decode_snapshot(data)) == data


def test_snapshot_is_the_same_whatever_order_tables_were_filled_in(
    state: ClusterState,
) -> None:
    before = digest(state)
    for name in ("frameworks", "agents", "offers", "tasks", "weights"):
        table = getattr(state, name)
        setattr(state, name, dict(reversed(table.items())))
    assert digest(state) == before


def test_digest_differs_when_anything_differs(state: ClusterState) -> None:
    seen = {digest(state)}
    for name, value in (
        ("index", 99),
        ("term", 9),
        ("leader", None),
        ("leader_http", ""),
        ("clock_ms", 5),
        ("weights", {}),
        ("cluster_id", "d"),
    ):
        setattr(state, name, value)
        seen.add(digest(state))
    assert len(seen) == 8
    assert {len(d) for d in seen} == {16}


@pytest.mark.parametrize(
    "data", [b"", b"junk", b"\x80", b"\x81\xa1x" + b"\x91" * 100_000]
)
def test_decode_snapshot_refuses_what_it_cannot_read(data: bytes) -> None:
    with pytest.raises(InvalidInputError, match="snapshot"):
        decode_snapshot(data)


def test_decode_snapshot_refuses_every_truncation(state: ClusterState) -> None:
    data = encode_snapshot(state)
    for length in range(len(data)):
        with pytest.raises(InvalidInputError):
            decode_snapshot(data[:length])


def test_decode_snapshot_refuses_other_versions_and_clusters(
    state: ClusterState,
) -> None:
    data = encode_snapshot(state)
    assert decode_snapshot(data, cluster_id="c") == state
    with pytest.raises(InvalidInputError, match=r"snapshot\.cluster_id"):
        decode_snapshot(data, cluster_id="other")
    fields = msgspec.msgpack.decode(data)
    fields["version"] = 1
    with pytest.raises(InvalidInputError, match=r"snapshot\.version"):
        decode_snapshot(msgspec.msgpack.encode(fields))


def test_decode_snapshot_refuses_a_state_that_cannot_be(state: ClusterState) -> None:
    fields = msgspec.msgpack.decode(encode_snapshot(state))
    fields["agents"][0]["used"] = {}
    with pytest.raises(InvalidInputError, match="not the sum of its tasks"):
        decode_snapshot(msgspec.msgpack.encode(fields))
