from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from transports.errors import BadAddressError
from transports.memory import MemoryNetwork, MemoryTransport
from transports.registry import (
    check_address,
    known_schemes,
    register,
    transport_for,
    unregister,
)
from transports.tcp import TcpTransport


@pytest.fixture(autouse=True)
def forget_registered() -> Iterator[None]:
    yield
    for scheme in ("mem", "tcp"):
        unregister(scheme)


def install(
    folder: Path, monkeypatch: pytest.MonkeyPatch, package: str, entries: str
) -> None:
    """A package with entry points, as an installer leaves it on the path."""
    root = folder / package
    info = root / f"{package}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Name: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[raftleader.transports]\n{entries}\n")
    (root / f"{package}.py").write_text(
        "from transports.tcp import TcpTransport\n"
        "class Pigeon(TcpTransport): pass\n"
        "def moulting(): raise OSError('no feathers')\n"
    )
    (root / f"{package}_broken.py").write_text("import no_such_module_here\n")
    monkeypatch.syspath_prepend(str(root))


@pytest.mark.parametrize("asked", ["tcp", "tcp://127.0.0.1:1", "TCP://h:1"])
def test_tcp_is_found_by_scheme_and_by_address(asked: str) -> None:
    assert isinstance(transport_for(asked), TcpTransport)


def test_unknown_scheme_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadAddressError, match=r"'smoke'.*known:.*tcp"):
        transport_for("smoke://signal")


@pytest.mark.parametrize("asked", ["", "://x", "tcp:7070"])
def test_what_is_no_address_is_refused(asked: str) -> None:
    with pytest.raises(BadAddressError):
        transport_for(asked)


def test_mem_is_known_only_once_code_has_registered_it() -> None:
    with pytest.raises(BadAddressError, match="mem"):
        transport_for("mem://n1")
    network = MemoryNetwork(rng=random.Random(1))
    register("mem", lambda: network.transport("n1"))
    transport = transport_for("mem://n2")
    assert isinstance(transport, MemoryTransport)
    assert transport.network is network
    assert "mem" in known_schemes()


def test_code_takes_the_place_of_a_built_in() -> None:
    register("tcp", lambda: TcpTransport(links_max=3))
    transport = transport_for("tcp")
    assert isinstance(transport, TcpTransport)
    assert transport.links_max == 3
    unregister("tcp")
    assert transport_for("tcp") == TcpTransport()


@pytest.mark.parametrize("scheme", ["", "MEM", "a b", "a://b"])
def test_register_refuses_what_is_no_scheme(scheme: str) -> None:
    with pytest.raises(BadAddressError):
        register(scheme, TcpTransport)


def test_plugin_is_found_by_its_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, "pigeons", "pigeon = pigeons:Pigeon")
    assert "pigeon" in known_schemes()
    assert type(transport_for("pigeon://roof:1")).__name__ == "Pigeon"


def test_plugin_cannot_take_the_place_of_a_built_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, "greedy_pigeons", "tcp = greedy_pigeons:Pigeon")
    assert type(transport_for("tcp")) is TcpTransport


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("sick_pigeons_broken:X", "ModuleNotFoundError: .*no_such_module_here"),
        ("sick_pigeons:Dove", "AttributeError: .*Dove"),
        ("sick_pigeons:moulting", "OSError: no feathers"),
    ],
)
def test_broken_plugin_is_reported_with_its_package_and_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, reason: str
) -> None:
    install(tmp_path, monkeypatch, "sick_pigeons", f"pigeon = {value}")
    with pytest.raises(
        BadAddressError, match=f"'pigeon', {value} of sick_pigeons, .*{reason}"
    ):
        transport_for("pigeon")
    assert "pigeon" in known_schemes()


def test_two_plugins_of_one_scheme_are_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, "grey_pigeons", "pigeon = grey_pigeons:Pigeon")
    install(tmp_path, monkeypatch, "white_pigeons", "pigeon = white_pigeons:Pigeon")
    with pytest.raises(BadAddressError, match=r"grey_pigeons.*white|white.*grey"):
        transport_for("pigeon")


def test_address_of_a_built_in_scheme_is_checked_whole() -> None:
    check_address("tcp://h:1")
    for address in ("tcp://h", "tcp://h:70000", "tcp://:1", "foo://h:1", "h:1"):
        with pytest.raises(BadAddressError):
            check_address(address)
