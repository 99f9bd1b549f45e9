"""What our switch does with frames; time and chance are given."""

from __future__ import annotations

import os
import random
import socket

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.network.switch import Done, Lines, Rules, Switch
from chaos.network.switch_frames import (
    HEADER_BYTES,
    FaultyFrames,
    LinkRule,
    mac_bytes,
    with_flipped_bit,
)

ONE, TWO = "02:00:0a:4d:01:01", "02:00:0a:4d:01:02"


def frame(number: int, size: int = 100) -> bytes:
    header = mac_bytes(TWO) + mac_bytes(ONE) + b"\x08\x00"
    return (header + b"%06d" % number).ljust(size, b".")


def number_of(data: bytes) -> int:
    return int(data[HEADER_BYTES : HEADER_BYTES + 6])


def frames_with(rule: LinkRule, seed: int = 1) -> FaultyFrames:
    made = FaultyFrames(random.Random(seed))
    made.use([rule])
    return made


def run(frames: FaultyFrames, count: int, every_s: float = 0.001) -> list[int]:
    """Frames that arrive in equal steps: numbers in the order in which they go on."""
    gone: list[bytes] = []
    for number in range(count):
        now = number * every_s
        gone += frames.due(now)
        gone += frames.arrive(frame(number), now)
    gone += frames.due(1e9)
    return [number_of(data) for data in gone]


def rule(**how: object) -> LinkRule:
    return LinkRule(source=ONE, target=TWO, **how)  # type: ignore[arg-type]


def test_cut_passes_nothing() -> None:
    frames = frames_with(rule(is_cut=True))
    assert run(frames, 50) == []
    assert frames.counts == {"cut": 50}


def test_loss_loses_its_share() -> None:
    frames = frames_with(rule(loss=0.25))
    assert 700 < len(run(frames, 1000)) < 800
    assert frames.counts["lost"] == 1000 - len(run(frames_with(rule(loss=0.25)), 1000))


def test_delay_holds_every_frame_for_its_time() -> None:
    frames = frames_with(rule(delay_s=0.5))
    assert list(frames.arrive(frame(1), 10.0)) == []
    assert frames.next_due == 10.5
    assert list(frames.due(10.49)) == []
    assert [number_of(one) for one in frames.due(10.5)] == [1]
    assert frames.next_due is None


@given(st.integers(0, 1000), st.floats(0.0, 0.05), st.floats(0.0, 0.05))
def test_frames_keep_their_order_however_they_are_delayed(
    seed: int, delay_s: float, jitter_s: float
) -> None:
    frames = frames_with(rule(delay_s=delay_s, jitter_s=jitter_s), seed)
    assert run(frames, 60) == list(range(60))


def test_reorder_lets_later_frames_overtake_and_loses_none() -> None:
    order = run(frames_with(rule(reorder=0.2)), 200)
    assert order != sorted(order)
    assert sorted(order) == list(range(200))


def test_duplicate_sends_its_share_twice() -> None:
    order = run(frames_with(rule(duplicate=0.5)), 200)
    assert 270 < len(order) < 330
    assert set(order) == set(range(200))


def test_corrupt_changes_one_bit_behind_the_header() -> None:
    rng = random.Random(3)
    for _ in range(50):
        changed = with_flipped_bit(frame(7), rng)
        assert changed[:HEADER_BYTES] == frame(7)[:HEADER_BYTES]
        pairs = zip(changed, frame(7), strict=True)
        assert sum((one ^ other).bit_count() for one, other in pairs) == 1
    assert with_flipped_bit(frame(7)[:HEADER_BYTES], rng) == frame(7)[:HEADER_BYTES]


def test_bandwidth_queues_what_it_may_and_loses_the_rest() -> None:
    """10,000 bytes a second: the queue holds 32 KiB, and what arrives at once is 50
    frames of 1,000 bytes."""
    frames = frames_with(rule(bytes_per_s=10_000))
    for number in range(50):
        assert not list(frames.arrive(frame(number, 1000), 0.0))
    gone = [number_of(one) for one in frames.due(1.01)]
    assert gone == list(range(10))
    assert frames.counts["overflowed"] == 50 - 33
    assert [number_of(one) for one in frames.due(100.0)] == list(range(10, 33))


def test_waiting_frames_go_at_once_when_their_link_is_whole_again() -> None:
    frames = frames_with(rule(delay_s=5.0))
    for number in range(3):
        list(frames.arrive(frame(number), 0.1 * number))
    assert [number_of(one) for one in frames.use([])] == [0, 1, 2]
    assert frames.next_due is None
    assert not frames.faulty_links


def test_waiting_frames_are_dropped_when_their_link_is_cut() -> None:
    frames = frames_with(rule(delay_s=5.0))
    list(frames.arrive(frame(0), 0.0))
    assert frames.use([rule(is_cut=True)]) == []
    assert frames.next_due is None and frames.counts["cut"] == 1


def test_waiting_frames_wait_on_when_their_link_is_otherwise_bad() -> None:
    frames = frames_with(rule(delay_s=5.0))
    list(frames.arrive(frame(0), 0.0))
    assert frames.use([rule(delay_s=1.0)]) == []
    assert list(frames.arrive(frame(1), 0.0)) == []
    assert [number_of(one) for one in frames.due(5.0)] == [0, 1]


def test_lines_are_whole_however_they_arrive() -> None:
    reading, writing = os.pipe()
    lines = Lines(reading)
    os.write(writing, b'{"a"')
    assert lines.read() == []
    os.write(writing, b":1}\n{}\n{")
    assert lines.read() == [b'{"a":1}', b"{}"]
    os.close(writing)
    assert lines.read() == [] and lines.has_ended
    os.close(reading)


def test_frames_meet_the_rules_under_which_they_were_sent() -> None:
    """The switch was busy: a frame and the end of its link's cut wait for it."""
    host, port = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    far_host, far_port = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    commands_in, commands = os.pipe()
    answers_out, answers = os.pipe()
    port.setblocking(False)
    far_port.setblocking(False)
    switch = Switch(
        {mac_bytes(ONE): port.fileno(), mac_bytes(TWO): far_port.fileno()},
        frames_with(rule(is_cut=True)),
    )
    host.send(frame(1))
    os.write(commands, msgspec.json.encode(Rules([])) + b"\n")
    os.close(commands)
    switch.run(commands_in, answers)
    assert msgspec.json.decode(os.read(answers_out, 1000), type=Done).counts == {
        "cut": 1
    }
    far_host.setblocking(False)
    with pytest.raises(BlockingIOError):
        far_host.recv(100)
    for end in (host, port, far_host, far_port):
        end.close()
    for fd in (commands_in, answers_out, answers):
        os.close(fd)
