from __future__ import annotations

import itertools
from collections.abc import Callable

import msgspec
import pytest
from support.busy_cluster import busy_cluster

from raftleader.errors import InvalidInputError
from raftleader.protocol.offers import Create, Reserve
from raftleader.protocol.resources import Resources, parse_resources
from raftleader.protocol.tasks import Source, TaskState, TaskStatus
from raftleader.state import commands as c
from raftleader.state.cluster import ClusterState, DurableFilter
from raftleader.state.snapshot_stream import CHUNK_BYTES, Restoring, capture
from raftleader.state.snapshot_stream import format as layout
from raftleader.state.snapshot_stream.format import Section
from raftleader.state.trial import Trial, reserved, volume


def _restored(data: bytes, chunk_bytes: int = CHUNK_BYTES) -> ClusterState:
    restoring = Restoring("c")
    for at in range(0, len(data), chunk_bytes):
        restoring.feed(data[at : at + chunk_bytes])
    return restoring.finish()


@pytest.fixture(scope="module")
def busy() -> ClusterState:
    return busy_cluster(seed=3, rounds=60).state


@pytest.fixture(scope="module")
def stream(busy: ClusterState) -> bytes:
    return b"".join(capture(busy))


def _frames(data: bytes) -> list[tuple[Section, bytes]]:
    frames = []
    at = layout.prelude.size
    while at < len(data):
        size, section = layout.frame_head.unpack_from(data, at)
        at += layout.frame_head.size
        frames.append((Section(section), data[at : at + size - 1]))
        at += size - 1
    return frames


def _joined(frames: list[tuple[Section, bytes]]) -> bytes:
    prelude = layout.prelude.pack(layout.MAGIC, layout.VERSION)
    return prelude + b"".join(itertools.starmap(layout.frame, frames))


@pytest.mark.parametrize("chunk_bytes", [1, 7, 4096, CHUNK_BYTES, 10**9])
def test_stream_restores_everything_in_its_order_however_it_is_cut(
    busy: ClusterState, stream: bytes, chunk_bytes: int
) -> None:
    restored = _restored(stream, chunk_bytes)
    assert restored == busy
    assert repr(restored) == repr(busy)
    assert b"".join(capture(restored)) == stream


def test_stream_of_an_empty_state() -> None:
    state = ClusterState(cluster_id="c")
    assert _restored(b"".join(capture(state))) == state


def test_capture_is_of_its_instant_whatever_is_applied_between_steps(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raftleader.state.snapshot_stream.capturing.STEP_BYTES", 1)
    agent = trial.register("cpus:9;mem:100")
    framework = trial.subscribe()
    offer = trial.offer(framework, agent, "cpus:3")
    before = repr(trial.state)
    steps = capture(trial.state)
    data = next(steps)
    trial.launch(framework, offer, "t")
    trial.apply(c.SetWeights(weights={"web": 2000}))
    trial.apply(c.TeardownFramework(framework_id=framework))
    rest = list(steps)
    assert len(rest) > 5
    assert repr(_restored(data + b"".join(rest))) == before


def test_long_rows_are_written_in_parts_and_come_back_whole(trial: Trial) -> None:
    agent = trial.register("cpus:9;mem:100")
    framework = trial.subscribe(roles=("web",))
    offer = trial.offer(framework, agent, "cpus:1", role="web")
    trial.launch(framework, offer, "t")
    row = trial.state.frameworks[framework]
    filters = tuple(
        DurableFilter(
            agent_id=agent, role="web", resources=parse_resources("cpus:1"), until_ms=n
        )
        for n in range(5_000)
    )
    updates = tuple(
        TaskStatus(
            task_id=f"u{n}",
            state=TaskState.ERROR,
            source=Source.LEADER,
            uuid=n.to_bytes(16, "big"),
        )
        for n in range(5_000)
    )
    trial.state.frameworks[framework] = msgspec.structs.replace(
        row,
        filters=filters,
        orphan_updates=updates,
        answered_launches=tuple(n.to_bytes(16, "big") for n in range(9_000)),
    )
    key = (framework, "t")
    task = trial.state.tasks[key]
    pending = tuple(
        msgspec.structs.replace(
            updates[n], task_id="t", state=TaskState.RUNNING, data=bytes(60_000)
        )
        for n in range(20)
    )
    trial.state.tasks[key] = msgspec.structs.replace(
        task, state=TaskState.RUNNING, pending=pending
    )
    data = b"".join(capture(trial.state))
    assert repr(_restored(data)) == repr(trial.state)
    sizes = [len(payload) for _, payload in _frames(data)]
    assert max(sizes) < layout.FRAME_BYTES + 70_000
    assert sum(section is Section.PART for section, _ in _frames(data)) > 20


def test_every_truncation_is_refused(trial: Trial) -> None:
    agent = trial.register("cpus:9;mem:100")
    trial.offer(trial.subscribe(), agent, "cpus:3")
    data = b"".join(capture(trial.state))
    for length in range(len(data)):
        with pytest.raises(InvalidInputError, match="its end is missing"):
            _restored(data[:length])


def test_no_flipped_bit_raises_anything_but_invalid_input(trial: Trial) -> None:
    agent = trial.register("cpus:9;mem:100;disk:9;ports:[1-9]")
    framework = trial.subscribe(roles=("web",))
    offer = trial.offer(framework, agent, "disk:5", role="web")
    made = Resources.of({reserved("disk", "web"): 5_000})
    shared = Resources.of({volume("web", "v", is_shared=True): 2_000})
    operations = [Reserve(id="o", resources=made), Create(volumes=shared)]
    trial.accept(framework, offer, operations=operations)
    offer = trial.offer(framework, agent, "cpus:3;ports:[1-3]", role="web")
    executor = trial.executor(framework, "e", "cpus:1")
    trial.launch_in(framework, offer, executor, "t")
    data = b"".join(capture(trial.state))
    refused, tried = 0, range(0, len(data) * 8, 3)
    for bit in tried:
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            _restored(bytes(damaged))
        except InvalidInputError:
            refused += 1
    assert refused > len(tried) // 2


def test_other_versions_clusters_and_strange_bytes_are_refused(stream: bytes) -> None:
    with pytest.raises(InvalidInputError, match=r"snapshot\.cluster_id"):
        Restoring("other").feed(stream)
    newer = layout.prelude.pack(layout.MAGIC, layout.VERSION + 1)
    with pytest.raises(InvalidInputError, match=r"snapshot\.version: 3 is not 2"):
        Restoring("c").feed(newer + stream[len(newer) :])
    with pytest.raises(InvalidInputError, match="none of ours"):
        Restoring("c").feed(b"something else altogether")
    with pytest.raises(InvalidInputError, match="follows its end"):
        Restoring("c").feed(stream + b"x")
    huge = layout.frame_head.pack(layout.FRAME_BYTES_MAX + 1, Section.HEADER)
    with pytest.raises(InvalidInputError, match="a frame of"):
        Restoring("c").feed(stream[: layout.prelude.size] + huge)


Frames = list[tuple[Section, bytes]]


def _without_a_section(section: Section) -> Callable[[Frames], Frames]:
    return lambda frames: [one for one in frames if one[0] is not section]


def _twice(section: Section) -> Callable[[Frames], Frames]:
    def change(frames: Frames) -> Frames:
        at = next(n for n, one in enumerate(frames) if one[0] is section)
        return [*frames[: at + 1], *frames[at:]]

    return change


def _with_owners(payload: bytes) -> Callable[[Frames], Frames]:
    def change(frames: Frames) -> Frames:
        at = next(n for n, one in enumerate(frames) if one[0] is Section.OFFERS)
        return [*frames[:at], (Section.OWNERS, payload), *frames[at:]]

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_without_a_section(Section.HEADER), "cannot be here"),
        (_without_a_section(Section.FRAMEWORKS), "of unknown framework"),
        (_without_a_section(Section.AGENTS), "on unknown agent"),
        (_without_a_section(Section.OFFERS), "rows are missing"),
        (_without_a_section(Section.TASKS), "rows are missing"),
        (_without_a_section(Section.COMPLETED), "rows are missing"),
        (_without_a_section(Section.REMOVED), "rows are missing"),
        (_without_a_section(Section.OWNERS), "has rows and no place"),
        (_twice(Section.HEADER), "cannot be here"),
        (_twice(Section.TASKS), "is there twice"),
        (_twice(Section.OWNERS), "_by_.*: .* twice"),
        (lambda frames: [frames[0], *reversed(frames[1:])], "cannot|missing"),
        (
            _with_owners(b"\x92\xafoffers_by_agent\x91\xa1x"),
            "owner without rows",
        ),
        (
            _with_owners(b"\x92\xa6agents\x91\xa1x"),
            "an index 'agents'",
        ),
        (
            lambda frames: [frames[0], (Section.PART, b"\x92\xa1x\x90"), *frames[1:]],
            "a part of 'x'",
        ),
        (
            lambda frames: [
                *frames[:-1],
                (Section.PART, b"\x92\xa7pending\x90"),
                frames[-1],
            ],
            "rows are missing",
        ),
    ],
)
def test_streams_that_were_taken_apart_are_refused(
    stream: bytes, change: Callable[[Frames], Frames], words: str
) -> None:
    frames = _frames(stream)
    assert _joined(frames) == stream
    with pytest.raises(InvalidInputError, match=words):
        _restored(_joined(change(frames)))


def _set_agent(state: ClusterState, **values: object) -> None:
    agent = next(iter(state.agents.values()))
    state.agents[agent.id] = msgspec.structs.replace(agent, **values)


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ({"used": ""}, "used is less than its tasks"),
        ({"used": "cpus:1"}, "used is less than its tasks"),
        ({"used": "cpus:2;mem:1;ports:[1-3]"}, "more used or offered"),
        ({"used": "cpus:2;ports:[1-2]"}, "used is less than its tasks"),
        ({"used": "cpus:2;ports:[1-4]"}, "more used or offered"),
        ({"offered": ""}, "offered is less than its offers"),
        ({"offered": "cpus:4"}, "more used or offered"),
        ({"offered": "cpus:3;gpus:{a}"}, "more used or offered"),
        ({"used": "cpus:99"}, "used, .* offered of"),
    ],
)
def test_accounts_that_are_not_the_sums_of_rows_are_refused(
    trial: Trial, resources: dict[str, str], words: str
) -> None:
    agent = trial.register("cpus:9;mem:100;ports:[1-9];gpus:{a,b}")
    framework = trial.subscribe()
    offer = trial.offer(framework, agent, "cpus:1;ports:[1-3]")
    trial.launch(framework, offer, "t", resources="cpus:1;ports:[1-3]")
    offer = trial.offer(framework, agent, "cpus:1")
    trial.launch(framework, offer, "u", resources="cpus:1")
    trial.offer(framework, agent, "cpus:3")
    _restored(b"".join(capture(trial.state)))
    values = {name: parse_resources(text) for name, text in resources.items()}
    _set_agent(trial.state, **values)
    with pytest.raises(InvalidInputError, match=words):
        _restored(b"".join(capture(trial.state)))


def test_two_agents_with_one_key_are_refused(trial: Trial) -> None:
    trial.register("cpus:9", key="k1")
    trial.register("cpus:9", key="k2")
    _set_agent(trial.state, key="k2")
    with pytest.raises(InvalidInputError, match="another has its key"):
        _restored(b"".join(capture(trial.state)))


def test_sums_that_differ_are_refused(busy: ClusterState, stream: bytes) -> None:
    frames = _frames(stream)
    end = layout.end_decoder.decode(frames[-1][1])
    other = msgspec.structs.replace(end, capacity={"cpus": 1})
    frames[-1] = (Section.END, layout.encoder.encode(other))
    with pytest.raises(InvalidInputError, match="capacity"):
        _restored(_joined(frames))
