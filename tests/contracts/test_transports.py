"""What every transport promises, whichever it is (see ``transports/interface.py``)."""

from __future__ import annotations

import random
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager

import attrs
import pytest
import trio
import trio.testing

from transports.errors import (
    BadAddressError,
    BadFrameError,
    DialError,
    FrameTooLargeError,
    LinkClosedError,
)
from transports.faults import ANY, FaultPlan, FaultyTransport
from transports.interface import Link, LinkHandler, Transport
from transports.memory import MemoryNetwork
from transports.tcp import TcpTransport

SMALL_FRAME_BYTES_MAX = 1000


@attrs.frozen(kw_only=True)
class Pair:
    """Two ends of a transport: ``small_*`` refuse frames over 1000 bytes."""

    dialler: Transport
    listener: Transport
    small_dialler: Transport
    small_listener: Transport
    address: str
    nobody: str
    bad_address: str = "nonsense"


@contextmanager
def tcp_pair() -> Iterator[Pair]:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))  # bound and not listening: dials are refused
        small = TcpTransport(frame_bytes_max=SMALL_FRAME_BYTES_MAX)
        yield Pair(
            dialler=TcpTransport(),
            listener=TcpTransport(),
            small_dialler=small,
            small_listener=small,
            address="tcp://127.0.0.1:0",
            nobody=f"tcp://127.0.0.1:{mute.getsockname()[1]}",
        )


@contextmanager
def memory_pair(latency_s: tuple[float, float] = (0.0, 0.0)) -> Iterator[Pair]:
    network = MemoryNetwork(rng=random.Random(7), latency_s=latency_s)
    small = SMALL_FRAME_BYTES_MAX
    yield Pair(
        dialler=network.transport("n1"),
        listener=network.transport("n2"),
        small_dialler=network.transport("n1", frame_bytes_max=small),
        small_listener=network.transport("n2", frame_bytes_max=small),
        address="mem://n2:0",
        nobody="mem://n3",
    )


@contextmanager
def faulty(
    make_pair: Callable[[], AbstractContextManager[Pair]], *, delay_s: float = 0.0
) -> Iterator[Pair]:
    plan = FaultPlan(random.Random(8))
    if delay_s:
        plan.delay(ANY, ANY, delay_s=(0.0, delay_s))
    with make_pair() as pair:
        yield attrs.evolve(
            pair,
            dialler=FaultyTransport(pair.dialler, plan, label="n1"),
            listener=FaultyTransport(pair.listener, plan, label="n2"),
            small_dialler=FaultyTransport(pair.small_dialler, plan, label="n1"),
            small_listener=FaultyTransport(pair.small_listener, plan, label="n2"),
        )


KINDS: dict[str, Callable[[], AbstractContextManager[Pair]]] = {
    "memory": memory_pair,
    "memory-with-latency": lambda: memory_pair(latency_s=(0.0, 0.002)),
    "tcp": tcp_pair,
    "faults-over-memory": lambda: faulty(memory_pair),
    "faults-over-tcp": lambda: faulty(tcp_pair),
    "delays-over-memory": lambda: faulty(memory_pair, delay_s=0.002),
}


@pytest.fixture(params=KINDS)
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    with KINDS[request.param]() as made:
        yield made


@pytest.fixture(params=["tcp", "faults-over-tcp"])
def stream_pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    with KINDS[request.param]() as made:
        yield made


@asynccontextmanager
async def listening(
    transport: Transport, address: str, handler: LinkHandler
) -> AsyncIterator[str]:
    async with trio.open_nursery() as nursery:
        yield await nursery.start(transport.serve, address, handler)
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def connected(
    pair: Pair, *, dialler: Transport | None = None, listener: Transport | None = None
) -> AsyncIterator[tuple[Link, Link]]:
    """The dialled and the accepted end of one link."""
    accepted_send, accepted_receive = trio.open_memory_channel[Link](1)

    async def hold(link: Link) -> None:
        await accepted_send.send(link)
        await trio.sleep_forever()

    async with listening(listener or pair.listener, pair.address, hold) as bound:
        link = await (dialler or pair.dialler).dial(bound)
        try:
            yield link, await accepted_receive.receive()
        finally:
            await link.aclose()


async def receive_count(link: Link, count: int) -> list[bytes]:
    frames: list[bytes] = []
    while len(frames) < count:
        frames += await link.receive_many()
    return frames


async def echo(link: Link) -> None:
    while True:
        await link.send_many(await link.receive_many())


async def test_frames_arrive_whole_and_in_order_both_ways(pair: Pair) -> None:
    sizes = [0, 1, 11, 12, 13, 4096, 0, 65536, 100_000, 3]
    frames = [bytes([i]) * size for i, size in enumerate(sizes)]
    async with connected(pair) as (dialled, accepted):
        for source, target in ((dialled, accepted), (accepted, dialled)):
            for frame in frames:
                await source.send(frame)
            assert [await target.receive() for _ in frames] == frames


async def test_send_many_keeps_the_order_of_its_frames(pair: Pair) -> None:
    frames = [str(i).encode() for i in range(1000)]
    async with connected(pair) as (dialled, accepted):
        await dialled.send_many(frames[:999])
        await dialled.send_many([])
        await dialled.send(frames[999])
        assert await receive_count(accepted, 1000) == frames


async def test_receive_and_receive_many_can_take_turns(pair: Pair) -> None:
    async with connected(pair) as (dialled, accepted):
        await dialled.send_many([b"1", b"2", b"3"])
        first = await accepted.receive()
        assert [first, *await receive_count(accepted, 2)] == [b"1", b"2", b"3"]


async def test_receive_many_gives_all_that_has_arrived(pair: Pair) -> None:
    async with connected(pair) as (dialled, accepted):
        # When frames have arrived nobody can say from here; but over many rounds
        # all three of one write have, and then come in one call.
        sizes: set[int] = set()
        with trio.fail_after(10):
            while 3 not in sizes:
                await dialled.send_many([b"1", b"2", b"3"])
                received: list[bytes] = []
                while len(received) < 3:
                    await trio.sleep(0.001)
                    batch = await accepted.receive_many()
                    sizes.add(len(batch))
                    received += batch
                assert received == [b"1", b"2", b"3"]


async def test_large_frames_arrive_whole(pair: Pair) -> None:
    large = random.Random(1).randbytes(9_000_000)
    async with connected(pair) as (dialled, accepted), trio.open_nursery() as nursery:
        nursery.start_soon(dialled.send_many, [b"before", large, b"after"])
        assert await accepted.receive() == b"before"
        assert await accepted.receive() == large
        assert await accepted.receive() == b"after"


async def test_frame_of_exactly_the_limit_arrives(pair: Pair) -> None:
    frame = b"x" * SMALL_FRAME_BYTES_MAX
    async with connected(
        pair, dialler=pair.small_dialler, listener=pair.small_listener
    ) as (dialled, accepted):
        await dialled.send(frame)
        assert await accepted.receive() == frame


async def test_sender_refuses_a_frame_over_the_limit_and_closes(pair: Pair) -> None:
    async with connected(pair, dialler=pair.small_dialler) as (dialled, accepted):
        with pytest.raises(FrameTooLargeError, match="1001"):
            await dialled.send_many([b"fine", b"x" * 1001])
        with pytest.raises(LinkClosedError):
            await dialled.send(b"fine")
        with pytest.raises(LinkClosedError):
            await accepted.receive()


async def test_receiver_refuses_a_frame_over_the_limit_and_closes(pair: Pair) -> None:
    async with connected(pair, listener=pair.small_listener) as (dialled, accepted):
        await dialled.send_many([b"1", b"2", b"x" * 1001, b"3"])
        assert await receive_count(accepted, 2) == [b"1", b"2"]
        with pytest.raises(FrameTooLargeError, match="1001"):
            await accepted.receive()
        with pytest.raises(LinkClosedError):
            await accepted.receive()
        with pytest.raises(LinkClosedError):
            await dialled.receive()


async def test_cancelled_receive_loses_no_frame(pair: Pair) -> None:
    rng = random.Random(3)
    frames = [str(i).encode() * 200 for i in range(300)]
    received: list[bytes] = []
    async with connected(pair) as (dialled, accepted), trio.open_nursery() as nursery:

        async def send_slowly() -> None:
            for frame in frames:
                await dialled.send(frame)
                if rng.random() < 0.2:
                    await trio.sleep(0.0005)

        nursery.start_soon(send_slowly)
        while len(received) < len(frames):
            with trio.move_on_after(rng.choice([0.0, 0.0002, 0.001])):
                if rng.random() < 0.5:
                    received.append(await accepted.receive())
                else:
                    received += await accepted.receive_many()
    assert received == frames


async def test_cancelled_send_leaves_whole_frames_or_a_closed_link(pair: Pair) -> None:
    """Frames of 100 kB to nobody who reads: some cancel lands in half a frame."""
    async with connected(pair) as (dialled, accepted):
        sent = 0
        with trio.move_on_after(0.05), pytest.raises(LinkClosedError):
            while True:
                await dialled.send(sent.to_bytes(4, "big") * 25_000)
                sent += 1
        await dialled.aclose()
        arrived: list[bytes] = []
        with trio.fail_after(5), pytest.raises(LinkClosedError):
            while True:
                arrived.append(await accepted.receive())
        assert sent <= len(arrived) <= sent + 1
        assert arrived == [i.to_bytes(4, "big") * 25_000 for i in range(len(arrived))]


async def test_send_in_a_cancelled_scope_sends_nothing_and_keeps_the_link(
    pair: Pair,
) -> None:
    async with connected(pair) as (dialled, accepted):
        with trio.CancelScope() as scope:
            scope.cancel()
            await dialled.send(b"never")
        assert scope.cancelled_caught
        await dialled.send(b"next")
        assert await accepted.receive() == b"next"


async def test_concurrent_senders_keep_frames_whole_and_their_own_order(
    pair: Pair,
) -> None:
    async with connected(pair) as (dialled, accepted), trio.open_nursery() as nursery:

        async def send_numbers(sender: int) -> None:
            for number in range(40):
                await dialled.send_many(
                    [b"%d %d %d " % (sender, number, part) + b"x" * 9000
                     for part in range(2)]
                )  # fmt: skip

        for sender in range(5):
            nursery.start_soon(send_numbers, sender)
        frames = await receive_count(accepted, 400)
    heads = [tuple(map(int, frame.split()[:3])) for frame in frames]
    for sender in range(5):
        mine = [head[1:] for head in heads if head[0] == sender]
        assert mine == [(number, part) for number in range(40) for part in range(2)]
    assert all(heads[i][:2] == heads[i + 1][:2] for i in range(0, len(heads), 2)), (
        "a batch was torn apart"
    )


async def test_sender_waits_while_nobody_receives(pair: Pair) -> None:
    frame, count = b"x" * 20_000, 2000  # 40 MB: more than any buffer on the way
    sent = 0
    async with connected(pair) as (dialled, accepted), trio.open_nursery() as nursery:

        async def send_until_full() -> None:
            nonlocal sent
            for _ in range(count):
                await dialled.send(frame)
                sent += 1

        nursery.start_soon(send_until_full)
        before = -1
        with trio.fail_after(5):
            while sent == 0 or before != sent:
                before = sent
                await trio.sleep(0.03)
        assert sent < count
        assert await receive_count(accepted, count) == [frame] * count


async def test_frames_sent_before_close_arrive_before_the_end(pair: Pair) -> None:
    async with connected(pair) as (dialled, accepted):
        await dialled.send_many([b"1", b"2"])
        await dialled.aclose()
        assert await receive_count(accepted, 2) == [b"1", b"2"]
        for _ in range(2):
            with pytest.raises(LinkClosedError):
                await accepted.receive()


@pytest.mark.parametrize("call", ["receive", "receive_many"])
async def test_close_wakes_who_receives_at_both_ends(pair: Pair, call: str) -> None:
    async with connected(pair) as (dialled, accepted), trio.open_nursery() as nursery:

        async def receive(link: Link) -> None:
            with pytest.raises(LinkClosedError):
                await getattr(link, call)()

        nursery.start_soon(receive, dialled)
        nursery.start_soon(receive, accepted)
        await trio.testing.wait_all_tasks_blocked()
        await dialled.aclose()


async def test_close_wakes_who_waits_to_send(pair: Pair) -> None:
    async with connected(pair) as (dialled, _), trio.open_nursery() as nursery:

        async def send_forever() -> None:
            with pytest.raises(LinkClosedError):
                while True:
                    await dialled.send(b"x" * 500_000)

        nursery.start_soon(send_forever)
        nursery.start_soon(send_forever)
        await trio.sleep(0.03)
        await dialled.aclose()


async def test_send_raises_once_the_peer_has_closed(pair: Pair) -> None:
    async with connected(pair) as (dialled, accepted):
        await accepted.aclose()
        with trio.fail_after(2), pytest.raises(LinkClosedError):
            while True:
                await dialled.send(b"anyone?")
                await trio.sleep(0.001)


async def test_aclose_is_idempotent_and_closes_also_when_cancelled(pair: Pair) -> None:
    async with connected(pair) as (dialled, accepted):
        with trio.CancelScope() as scope:
            scope.cancel()
            await dialled.aclose()
        await dialled.aclose()
        with pytest.raises(LinkClosedError):
            await dialled.send(b"x")
        with pytest.raises(LinkClosedError):
            await accepted.receive()


async def test_dial_is_refused_where_nobody_listens(pair: Pair) -> None:
    with pytest.raises(DialError, match=pair.nobody):
        await pair.dialler.dial(pair.nobody)


async def test_dial_is_refused_when_the_listener_has_ended(pair: Pair) -> None:
    async with listening(pair.listener, pair.address, echo) as bound:
        await (await pair.dialler.dial(bound)).aclose()
    with pytest.raises(DialError):
        await pair.dialler.dial(bound)


async def test_bad_address_is_refused_at_both_ends(pair: Pair) -> None:
    with pytest.raises(BadAddressError, match="nonsense"):
        await pair.dialler.dial(pair.bad_address)
    with pytest.raises(BadAddressError, match="nonsense"):
        await pair.listener.serve(pair.bad_address, echo)


async def test_address_in_use_is_an_os_error_and_free_again_after(pair: Pair) -> None:
    async with listening(pair.listener, pair.address, echo) as bound:
        with pytest.raises(OSError, match=bound.partition("://")[2]):
            await pair.listener.serve(bound, echo)
    async with listening(pair.listener, bound, echo) as again:
        assert again == bound


async def test_links_close_when_the_listener_ends(pair: Pair) -> None:
    async with listening(pair.listener, pair.address, echo) as bound:
        link = await pair.dialler.dial(bound)
        await link.send(b"x")
        assert await link.receive() == b"x"
    with pytest.raises(LinkClosedError):
        await link.receive()


async def test_link_closes_when_its_handler_returns(pair: Pair) -> None:
    async def answer_once(link: Link) -> None:
        await link.send(b"answer to " + await link.receive())

    async with listening(pair.listener, pair.address, answer_once) as bound:
        link = await pair.dialler.dial(bound)
        await link.send(b"1")
        assert await link.receive() == b"answer to 1"
        with pytest.raises(LinkClosedError):
            await link.receive()


async def test_transport_error_of_a_handler_ends_its_link_only(pair: Pair) -> None:
    async def fail_on_demand(link: Link) -> None:
        while (frame := await link.receive()) != b"fail":
            if frame == b"fail in a group":
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(link.aclose)
                    nursery.start_soon(link.receive)
            await link.send(frame)
        raise LinkClosedError("as told")

    async with listening(pair.listener, pair.address, fail_on_demand) as bound:
        links = [await pair.dialler.dial(bound) for _ in range(3)]
        await links[0].send(b"fail")
        await links[1].send(b"fail in a group")
        for link in links[:2]:
            with pytest.raises(LinkClosedError):
                await link.receive()
        await links[2].send(b"still here")
        assert await links[2].receive() == b"still here"


async def test_other_error_of_a_handler_ends_the_listener(pair: Pair) -> None:
    async def break_down(link: Link) -> None:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as caught:
        async with listening(pair.listener, pair.address, break_down) as bound:
            await pair.dialler.dial(bound)
            await trio.sleep_forever()
    assert caught.group_contains(ZeroDivisionError)


async def test_many_links_do_not_mix(pair: Pair) -> None:
    async with (
        listening(pair.listener, pair.address, echo) as bound,
        trio.open_nursery() as nursery,
    ):

        async def talk(number: int) -> None:
            link = await pair.dialler.dial(bound)
            frames = [b"%d/%d" % (number, i) for i in range(5)]
            for frame in frames:
                await link.send(frame)
            assert await receive_count(link, 5) == frames
            await link.aclose()

        for number in range(150):
            nursery.start_soon(talk, number)


async def test_listener_survives_garbage(stream_pair: Pair) -> None:
    pair = stream_pair
    rng = random.Random(5)
    problems: list[Exception] = []

    async def note_problems(link: Link) -> None:
        try:
            await echo(link)
        except (BadFrameError, LinkClosedError, FrameTooLargeError) as error:
            problems.append(error)
            raise

    garbage = [rng.randbytes(size) for size in (1, 12, 500, 70_000)]
    garbage.append(b"GET / HTTP/1.1\r\n\r\n")
    async with listening(pair.listener, pair.address, note_problems) as bound:
        host, _, port = bound.partition("://")[2].rpartition(":")
        for sent in garbage:
            with trio.fail_after(2):
                stream = await trio.open_tcp_stream(host, int(port))
                try:
                    await stream.send_all(sent)
                    assert await stream.receive_some() == b""  # cut, by them
                except trio.BrokenResourceError:
                    pass  # cut while they still had bytes of ours to read
                await stream.aclose()
        link = await pair.dialler.dial(bound)
        await link.send(b"still here")
        assert await link.receive() == b"still here"
        await link.aclose()
        await trio.testing.wait_all_tasks_blocked(0.01)
    bad = [problem for problem in problems if isinstance(problem, BadFrameError)]
    assert [problem.offset for problem in bad] == [0] * len(garbage)
