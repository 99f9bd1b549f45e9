"""The plugin's markers and options, without any cluster."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.plugin_loading import plugin_arguments

pytest_plugins = ["pytester"]
SEEDS = """
import pytest

@pytest.mark.chaos_seeds(1, 2, 3)
def test_seeded(raftleader_seed):
    assert raftleader_seed in (1, 2, 3, 9)

@pytest.mark.raftleader(seed=5)
def test_marked(raftleader_seed, request):
    assert raftleader_seed == (request.config.getoption("--raftleader-seed") or 5)

def test_drawn(raftleader_seed):
    assert 0 <= raftleader_seed < 2**32
"""


@pytest.fixture
def plugged(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.plugins = []
    pytester.makeini("[pytest]\naddopts = --strict-markers -p no:cacheprovider")
    return pytester


def test_seeds_come_from_markers_and_each_has_a_name(
    plugged: pytest.Pytester,
) -> None:
    plugged.makepyfile(SEEDS)
    result = plugged.runpytest_inprocess(*plugin_arguments(), "-v")
    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(
        ["*test_seeded?seed1?*", "*test_seeded?seed2?*", "*test_seeded?seed3?*"]
    )


def test_seed_of_the_command_line_goes_before_all(plugged: pytest.Pytester) -> None:
    plugged.makepyfile(SEEDS)
    result = plugged.runpytest_inprocess(
        *plugin_arguments(), "-v", "--raftleader-seed", "9"
    )
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*test_seeded?seed9?*"])


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            "@pytest.mark.chaos_seeds(1)\ndef test_x(): pass",
            "*the test has no cluster*",
        ),
        (
            "@pytest.mark.chaos_seeds()\ndef test_x(raftleader_seed): pass",
            "*expected seeds, e.g. chaos_seeds(1, 2, 3)*",
        ),
        (
            "@pytest.mark.raftleader(3)\ndef test_x(raftleader_cluster): pass",
            "*arguments need names, e.g. leaders=3*",
        ),
        (
            "@pytest.mark.raftleader(leader=3)\ndef test_x(nemesis): pass",
            "*leader: unknown; did you mean leaders*",
        ),
        (
            "@pytest.mark.chaos_duration(1, 2)\ndef test_x(chaos_history): pass",
            "*chaos_duration: expected one time, e.g. '30s'*",
        ),
    ],
)
def test_markers_that_make_no_sense_are_named(
    plugged: pytest.Pytester, source: str, words: str
) -> None:
    plugged.makepyfile("import pytest\n" + source)
    result = plugged.runpytest_inprocess(*plugin_arguments())
    assert result.ret != pytest.ExitCode.OK
    said = result.outlines + result.errlines  # usage errors are on the latter
    pytest.LineMatcher(said).fnmatch_lines([words])


def test_plugin_imports_nothing_of_ours_before_it_is_used(tmp_path: Path) -> None:
    program = (
        "import sys, chaos.pytest_plugin as plugin\n"
        "assert plugin.raftleader_cluster\n"
        "heavy = {'trio', 'attrs', 'msgspec', 'raftleader', 'chaos.testing'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
