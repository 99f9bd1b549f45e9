"""A group begins once every first voter was heard, and knows its members for ever."""

from __future__ import annotations

import itertools
import random

import msgspec
import pytest

from raftleader.errors import ConfigError
from raftleader.replication.member.formation import Formation, FormationNote
from raftleader.replication.member.greeting import Greeting


def formation(
    name: str,
    instance: str | None = None,
    *,
    note: FormationNote | None = None,
    voters: str = "abc",
    is_joined: bool = False,
) -> Formation:
    return Formation(
        node_id=name,
        instance=instance or f"{name}1",
        voters=tuple(voters),
        note=note or FormationNote(),
        is_joined=is_joined,
    )


def greeting_of(name: str, one: Formation, instance: str | None = None) -> Greeting:
    return Greeting(
        sender=name,
        cluster_id="c",
        instance=instance or f"{name}1",
        first=one.note.first,
        is_formed=one.note.is_formed,
    )


def test_lone_voter_is_formed_at_once() -> None:
    one = formation("a", voters="a")
    assert one.advance()
    assert one.is_formed and one.note.first == {"a": "a1"}
    assert not one.advance()


def test_group_is_formed_only_when_all_wrote_down_the_same() -> None:
    a, b, c = (formation(name) for name in "abc")
    a.hear(greeting_of("b", b))
    assert not a.advance()
    assert a.waits_for == "not heard from c"
    a.hear(greeting_of("c", c))
    assert a.advance()
    assert a.note == FormationNote(first={"a": "a1", "b": "b1", "c": "c1"})
    assert not a.advance()
    b.hear(greeting_of("a", a))
    b.hear(greeting_of("c", c))
    assert b.advance()
    a.hear(greeting_of("b", b))
    assert not a.advance() and not a.is_formed
    assert a.waits_for == "not every member has heard all others"
    c.hear(greeting_of("a", a))
    c.hear(greeting_of("b", b))
    assert c.advance() and c.advance() and c.is_formed
    a.hear(greeting_of("c", c))
    assert a.advance() and a.is_formed and a.waits_for == ""


def test_formed_node_makes_others_formed() -> None:
    first = {"a": "a1", "b": "b1", "c": "c1"}
    a = formation("a", note=FormationNote(first=first, is_formed=True))
    b = formation("b", note=FormationNote(first=first))
    b.hear(greeting_of("a", a))
    assert b.advance() and b.is_formed


@pytest.mark.parametrize("is_formed", [False, True])
def test_node_whose_directory_was_lost_refuses_to_run(is_formed: bool) -> None:
    first = {"a": "a1", "b": "b1", "c": "c1"}
    a = formation("a", note=FormationNote(first=first, is_formed=is_formed))
    b = formation("b", "b2")
    with pytest.raises(ConfigError, match="what this node promised is lost"):
        b.hear(greeting_of("a", a))


def test_node_that_was_not_there_at_the_beginning_is_told_to_join() -> None:
    first = {"a": "a1", "b": "b1", "c": "c1"}
    a = formation("a", note=FormationNote(first=first, is_formed=True))
    d = formation("d", voters="abcd")
    with pytest.raises(ConfigError, match="start it as a joining node"):
        d.hear(greeting_of("a", a))
    joining = formation("d", voters="abc", is_joined=True)
    joining.hear(greeting_of("a", a))
    assert joining.is_formed and not joining.advance()


def test_nodes_that_began_with_other_members_never_form() -> None:
    a, b, c, d = (
        formation(name, voters=voters)
        for name, voters in [("a", "abc"), ("b", "abc"), ("c", "abcd"), ("d", "abcd")]
    )
    nodes = {"a": a, "b": b, "c": c, "d": d}
    for _ in range(4):
        for here, there in itertools.permutations(nodes, 2):
            try:
                nodes[here].hear(greeting_of(there, nodes[there]))
            except ConfigError:
                continue  # d learns that it is not among the members of a
            nodes[here].advance()
    assert not any(one.is_formed for one in nodes.values())
    assert "began with other members" in a.waits_for


def test_no_two_formed_nodes_ever_disagree_whatever_is_lost() -> None:
    """Directories of two are lost, messages too, and nodes restart from their notes."""
    times_formed = 0
    for seed in range(300):
        formed = random_formation(random.Random(seed))
        assert all(one == formed[0] for one in formed), f"seed {seed}"
        times_formed += bool(formed)
    assert times_formed > 100


def random_formation(rng: random.Random) -> list[dict[str, str]]:
    """What each node that was formed had written down then."""
    names = "abc"
    instances = dict.fromkeys(names, 1)
    nodes = {name: formation(name) for name in names}
    refused: set[str] = set()
    formed: list[dict[str, str]] = []
    said: list[Greeting] = []
    for _ in range(60):
        name = rng.choice(names)
        draw = rng.random()
        if draw < 0.05 and name != "a":
            instances[name] += 1
            nodes[name] = formation(name, f"{name}{instances[name]}")
            refused.discard(name)
            continue
        instance = f"{name}{instances[name]}"
        if draw < 0.15:
            nodes[name] = formation(name, instance, note=nodes[name].note)
            continue
        said.append(greeting_of(name, nodes[name], instance))
        receiver = rng.choice(names)
        if receiver in refused:
            continue
        try:
            nodes[receiver].hear(rng.choice(said[-6:]))
        except ConfigError:
            refused.add(receiver)
            continue
        nodes[receiver].advance()
        note = nodes[receiver].note
        if note.is_formed and note.first is not None:
            formed.append(note.first)
    return formed


def test_greeting_is_checked_field_by_field() -> None:
    decode = msgspec.msgpack.Decoder(Greeting).decode
    good = Greeting(sender="a", cluster_id="c", instance="1", first={"a": "1"})
    assert decode(msgspec.msgpack.encode(good)) == good
    for bad in (
        ["greeting", "", "c", "1", None, False, False],
        ["greeting", "a", "c", 1, None, False, False],
        ["greeting", "a", "c", "1", {"a": ""}, False, False],
        ["greeting", "a", "c", "1", None, False, False, "more"],
        ["greeting", "a", "c", "1", {f"{n}": "1" for n in range(300)}, False, False],
    ):
        with pytest.raises(msgspec.ValidationError):
            decode(msgspec.msgpack.encode(bad))
