"""Settings: where a value comes from, and how a wrong one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from raftleader.cli.sections import (
    AgentSection,
    ClientSection,
    LeaderSection,
    domain_of,
)
from raftleader.cli.settings import load_section, variable_of
from raftleader.errors import ConfigError
from raftleader.protocol.agents import Domain


def client(
    *,
    flags: dict[str, object] | None = None,
    environ: dict[str, str] | None = None,
    file: Path | None = None,
) -> ClientSection:
    return load_section(
        ClientSection, "client", flags=flags or {}, environ=environ or {}, file=file
    )


def written(folder: Path, text: str) -> Path:
    file = folder / "raftleader.toml"
    file.write_text(text)
    return file


def test_flags_win_over_environment_over_file_over_default(tmp_path: Path) -> None:
    file = written(tmp_path, '[client]\nleaders = ["file:1"]\ntimeout_s = 3\n')
    environ = {"RAFTLEADER_LEADERS": "a:1, b:2"}

    assert client() == ClientSection(leaders=("127.0.0.1:5050",), timeout_s=10.0)
    assert client(file=file) == ClientSection(leaders=("file:1",), timeout_s=3.0)
    assert client(file=file, environ=environ).leaders == ("a:1", "b:2")
    flags: dict[str, object] = {"leaders": ["flag:1"], "timeout_s": None}
    assert client(file=file, environ=environ, flags=flags) == ClientSection(
        leaders=("flag:1",), timeout_s=3.0
    )


def test_unknown_key_is_named_with_its_nearest_and_its_place(tmp_path: Path) -> None:
    file = written(tmp_path, "[client]\ntimeout = 3\n")
    with pytest.raises(
        ConfigError,
        match=r"raftleader.toml \[client\]: unknown key 'timeout'; "
        r"did you mean 'timeout_s'\?",
    ):
        client(file=file)


def test_unknown_section_is_named_even_if_another_one_is_read(tmp_path: Path) -> None:
    file = written(tmp_path, "[clients]\n")
    with pytest.raises(ConfigError, match=r"\[clients\]; did you mean 'client'\?"):
        client(file=file)


def test_key_outside_of_a_section_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path, "timeout_s = 3\n")
    with pytest.raises(ConfigError, match="'timeout_s' stands in no section"):
        client(file=file)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('timeout_s = "3"', "timeout_s: expected a number, got '3'"),
        ("timeout_s = true", "timeout_s: expected a number, got True"),
        ('leaders = "a:1"', "leaders: expected a list of strings, got 'a:1'"),
        ("leaders = [1]", "leaders: expected a string, got 1"),
    ],
)
def test_wrong_type_names_key_and_expected_type(
    tmp_path: Path, line: str, problem: str
) -> None:
    file = written(tmp_path, f"[client]\n{line}\n")
    with pytest.raises(ConfigError) as caught:
        client(file=file)
    assert str(caught.value).endswith(problem)


def test_wrong_type_in_the_environment_names_the_variable() -> None:
    with pytest.raises(ConfigError, match="RAFTLEADER_TIMEOUT_S: expected a number"):
        client(environ={"RAFTLEADER_TIMEOUT_S": "soon"})


def test_misspelt_variable_of_a_daemon_is_refused() -> None:
    environ = {"RAFTLEADER_LEADER_DATADIR": "x", "RAFTLEADER_LEADERS": "a:1"}
    with pytest.raises(
        ConfigError, match=r"RAFTLEADER_LEADER_DATADIR.*'RAFTLEADER_LEADER_DATA_DIR'"
    ):
        load_section(LeaderSection, "leader", flags={}, environ=environ, file=None)


def test_missing_key_says_three_ways_to_give_it() -> None:
    with pytest.raises(
        ConfigError,
        match=r"leaders is missing: give --leader, RAFTLEADER_AGENT_LEADERS "
        r"or leaders in \[agent\]",
    ):
        load_section(
            AgentSection, "agent", flags={"work_dir": Path("w")}, environ={}, file=None
        )


def test_file_that_is_not_there_or_not_toml_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        client(file=tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="not TOML"):
        client(file=written(tmp_path, "[client\n"))


def test_path_is_read_from_each_source(tmp_path: Path) -> None:
    file = written(tmp_path, '[leader]\ndata_dir = "from-file"\n')
    environ = {"RAFTLEADER_LEADER_DATA_DIR": "from-environment"}

    def load(environ: dict[str, str]) -> LeaderSection:
        return load_section(
            LeaderSection, "leader", flags={}, environ=environ, file=file
        )

    assert load({}).data_dir == Path("from-file")
    assert load(environ).data_dir == Path("from-environment")


@pytest.mark.parametrize(
    ("peers", "problem"),
    [
        (("a",), "'a' is not NODE_ID=tcp://HOST:PORT"),
        (("a=tcp://h:1", "a=tcp://h:2"), "'a' is named twice"),
        (("b=tcp://h:1",), "'a' is none of peers"),
    ],
)
def test_peers_that_make_no_cluster_are_refused(
    peers: tuple[str, ...], problem: str
) -> None:
    section = LeaderSection(node_id="a", data_dir=Path("d"), peers=peers)
    with pytest.raises(ConfigError, match=problem):
        section.peer_table()


def test_peers_become_a_table() -> None:
    section = LeaderSection(
        node_id="a", data_dir=Path("d"), peers=("a=tcp://h:1", "b=tcp://h:2")
    )
    assert section.peer_table() == {"a": "tcp://h:1", "b": "tcp://h:2"}


def test_peers_that_are_reached_elsewhere_become_a_table() -> None:
    def table(*items: str) -> dict[str, str]:
        section = LeaderSection(node_id="a", data_dir=Path("d"), peer_via=items)
        return section.peer_via_table()

    assert table() == {}
    assert table("b=tcp://h:1", "c=tcp://h:2") == {"b": "tcp://h:1", "c": "tcp://h:2"}
    for item, problem in {
        "b": "peer_via: 'b' is not NODE_ID=tcp://HOST:PORT",
        "a=tcp://h:1": "peer_via: 'a' is this node itself",
    }.items():
        with pytest.raises(ConfigError, match=problem):
            table(item)
    with pytest.raises(ConfigError, match="'b' is named twice"):
        table("b=tcp://h:1", "b=tcp://h:2")


def test_weights_are_thousandths_by_role() -> None:
    def weights(*items: str) -> dict[str, int] | None:
        section = LeaderSection(data_dir=Path("d"), weights=items)
        return section.weight_table()

    assert weights() is None
    assert weights("web=2.5", "*=1") == {"web": 2500, "*": 1000}
    for item in ("web", "web=much", "a b=1"):
        with pytest.raises(ConfigError, match="weights: "):
            weights(item)


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "1e300"])
@pytest.mark.parametrize(
    ("kind", "section", "key"),
    [
        (ClientSection, "client", "timeout_s"),
        (LeaderSection, "leader", "offer_timeout_s"),
        (LeaderSection, "leader", "agent_timeout_s"),
    ],
)
def test_time_that_nobody_can_wait_for_is_refused_by_name(
    kind: type[ClientSection] | type[LeaderSection], section: str, key: str, value: str
) -> None:
    environ = {variable_of(section, key): value}
    flags = {"data_dir": Path("data")} if section == "leader" else {}
    with pytest.raises(ConfigError, match=f"^{key}: expected more than 0 seconds"):
        load_section(kind, section, flags=flags, environ=environ, file=None)


@pytest.mark.parametrize("key", ["snapshot_entries", "keep_entries"])
def test_number_of_entries_is_a_whole_number_above_zero(key: str) -> None:
    def load(value: str) -> LeaderSection:
        environ = {variable_of("leader", key): value}
        flags: dict[str, object] = {"data_dir": Path("data")}
        return load_section(
            LeaderSection, "leader", flags=flags, environ=environ, file=None
        )

    assert getattr(load("7"), key) == 7
    for value, problem in (("0", "at least 1"), ("1.5", "a whole number")):
        with pytest.raises(ConfigError, match=problem):
            load(value)


def test_near_miss_of_a_client_variable_is_refused_and_others_are_not() -> None:
    def load(environ: dict[str, str]) -> ClientSection:
        return load_section(
            ClientSection, "client", flags={}, environ=environ, file=None
        )

    for name in ("RAFTLEADER_LEADER", "RAFTLEADER_LEADERZ", "RAFTLEADER_TIMEOUT"):
        with pytest.raises(ConfigError, match=f"unknown '{name}'; did you mean 'RAFT"):
            load({name: "x"})
    others = {"RAFTLEADER_LEADER_NODE_ID": "a", "RAFTLEADER_REWRITE": "1"}
    assert load(others) == ClientSection()


def test_empty_folder_in_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('[leader]\ndata_dir = ""\n')
    with pytest.raises(ConfigError, match="data_dir: must not be empty"):
        load_section(LeaderSection, "leader", flags={}, environ={}, file=file)


def test_domain_is_region_and_zone() -> None:
    for section in (
        LeaderSection(data_dir=Path("d"), domain="eu/eu-1"),
        AgentSection(work_dir=Path("d"), leaders=("tcp://h:1",), domain="eu/eu-1"),
    ):
        assert domain_of(section) == Domain(region="eu", zone="eu-1")
    assert domain_of(LeaderSection(data_dir=Path("d"))) is None
    for text in ("eu", "eu/", "/z", "eu/z/y", "e u/z", ""):
        with pytest.raises(ConfigError, match="is not REGION/ZONE"):
            domain_of(LeaderSection(data_dir=Path("d"), domain=text))
