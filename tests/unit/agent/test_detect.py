"""Settings, and what the machine has."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from agent import detect
from agent.config import AgentConfig
from agent.detect import detect_resources, parse_attributes
from raftleader.errors import ConfigError
from raftleader.protocol.agents import Attribute


def test_resources_are_detected_with_a_reserve_for_the_system(tmp_path: Path) -> None:
    found = detect_resources(tmp_path)
    total = psutil.virtual_memory().total // detect.MEGABYTE

    assert found.scalars["cpus"] == (psutil.cpu_count() or 1) * 1000
    assert total // 2 * 1000 <= found.scalars["mem"] <= (total - 1024) * 1000
    disk = psutil.disk_usage(str(tmp_path)).total // detect.MEGABYTE
    assert 0 < found.scalars["disk"] < disk * 1000
    assert found.ranges == {"ports": ((31000, 32000),)}


@pytest.mark.parametrize(
    ("total_mb", "offered_mb"), [(8192, 7168), (2048, 1024), (1024, 512)]
)
def test_memory_reserve_is_one_gigabyte_or_half(total_mb: int, offered_mb: int) -> None:
    total = total_mb * detect.MEGABYTE
    assert detect._megabytes(total, detect.MEM_RESERVE_BYTES) == offered_mb


def test_resources_named_are_not_detected_also_when_reserved_or_none(
    tmp_path: Path,
) -> None:
    text = "cpus(prod):2; mem:512.5;disk:0;ports:[5-6];gpus:{a}"
    found = detect_resources(tmp_path, text)

    assert found.scalars == {"cpus(prod)": 2000, "mem": 512_500}
    assert found.ranges == {"ports": ((5, 6),)}
    assert found.sets == {"gpus": ("a",)}


def test_resources_that_cannot_be_read_name_the_part(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"resources: cpus:many"):
        detect_resources(tmp_path, "cpus:many")


def test_attributes_are_read_by_their_looks() -> None:
    assert parse_attributes("rack:r1; level:1.5;span:[1-2, 5-9]") == (
        Attribute(name="rack", text="r1"),
        Attribute(name="level", scalar_millis=1500),
        Attribute(name="span", ranges=((1, 2), (5, 9))),
    )
    assert parse_attributes(None) == ()


@pytest.mark.parametrize("text", ["rack", "rack:", ":r1", "span:[9-1]", "span:[x]"])
def test_attributes_that_cannot_be_read_are_a_config_error(text: str) -> None:
    with pytest.raises(ConfigError, match="attributes: "):
        parse_attributes(text)


def test_config_needs_leaders_once_each() -> None:
    with pytest.raises(ConfigError, match="leaders: "):
        AgentConfig(leaders=(), work_dir=Path("w"))
    with pytest.raises(ConfigError, match="leaders: "):
        AgentConfig(leaders=("tcp://a:1", "tcp://a:1"), work_dir=Path("w"))
    with pytest.raises(ConfigError, match="backoff_s_min: "):
        AgentConfig(leaders=("tcp://a:1",), work_dir=Path("w"), backoff_s_min=0)
