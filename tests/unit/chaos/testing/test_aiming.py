"""Whom the words of a test mean."""

from __future__ import annotations

import random

import pytest

from chaos.live.faults import Fault, Target
from chaos.nemeses.targets import Crowd, hosts_hit
from chaos.testing.aiming import Aim, aim, wanted_faults
from chaos.testing.errors import NemesisError

LEADERS = ["leader-1", "leader-2", "leader-3"]
AGENTS = ["agent-1", "agent-2"]


def aimed(fault: str, target: str | None = None) -> Aim:
    return aim(fault, target, leaders=LEADERS, agents=AGENTS, frameworks=["mine"])


@pytest.mark.parametrize(
    ("fault", "target", "meant", "kind"),
    [
        ("kill", None, Fault.KILL, Target.LEADER),
        ("kill", "leader", Fault.KILL, Target.LEADER),
        ("kill", "minority", Fault.KILL, Target.MINORITY),
        ("kill", "all", Fault.KILL_ALL, Target.ALL),
        ("kill", "agent", Fault.AGENT_KILL, Target.AGENT),
        ("pause", "agent-2", Fault.AGENT_PAUSE, Target.AGENT),
        ("partition", "agent-1", Fault.AGENT_CUT, Target.AGENT),
        ("partition", "framework", Fault.FRAMEWORK_CUT, Target.FRAMEWORK),
        ("partition", "mine", Fault.FRAMEWORK_CUT, Target.FRAMEWORK),
        ("delay", "agent", Fault.DELAY, Target.AGENT),
        ("lost-disk", "leader-3", Fault.LOST_DISK, Target.ONE),
        ("rolling-restart", None, Fault.ROLLING_RESTART, Target.ALL),
    ],
)
def test_aim_means_the_class_of_whom_it_hits(
    fault: str, target: str | None, meant: Fault, kind: Target
) -> None:
    found = aimed(fault, target)
    assert (found.fault, found.target) == (meant, kind)


@pytest.mark.parametrize("name", [*LEADERS, *AGENTS])
@pytest.mark.parametrize("seed", [0, 7, 2**31])
def test_aim_at_a_name_hits_that_node_with_any_seed(name: str, seed: int) -> None:
    injection = aimed("pause", name).injection(number=4, seed=seed, for_s=1.0)
    crowd = Crowd(leaders=tuple(LEADERS), agents=tuple(AGENTS))
    rng = random.Random(injection.seed)
    assert hosts_hit(injection.target, crowd, rng) == (name,)
    assert (injection.number, injection.for_s) == (4, 1.0)


@pytest.mark.parametrize(
    ("fault", "target", "words"),
    [
        ("kil", None, "kil: unknown fault 'kil'; did you mean kill"),
        ("network", None, "'network' is not one fault"),
        ("kill,pause", None, "'kill,pause' is not one fault"),
        ("none", None, "no fault is asked for|is not one fault"),
        ("kill", "leader-9", "unknown target 'leader-9'; did you mean leader-"),
        ("rolling-restart", "leader", "rolling-restart cannot hit leader, only all"),
        ("drain", "leader-1", "drain cannot hit leader-1, only agent"),
    ],
)
def test_aim_says_what_is_wrong(fault: str, target: str | None, words: str) -> None:
    with pytest.raises(NemesisError, match=words):
        aimed(fault, target)


def test_a_schedule_takes_lists_and_groups() -> None:
    wanted = wanted_faults("kill@leader,process,-descriptors")
    assert wanted[0].fault is Fault.KILL
    assert wanted[0].is_named
    assert Fault.DESCRIPTORS not in [one.fault for one in wanted]
    with pytest.raises(NemesisError, match="no fault is asked for"):
        wanted_faults("none")
