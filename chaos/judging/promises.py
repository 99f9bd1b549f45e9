"""Every promise and invariant by name, and who judges it.

P1-P10 are what we promise (``docs/promises.md``); I1-I19 are what must hold in a
cluster of this kind. Of a run on real processes the checks of ``chaos.judging.judge``
tell, each of the names it carries; what they cannot see is judged in the simulator, or
elsewhere, and said in ``rest``. A test compares this table with the checks there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import attrs


@attrs.frozen
class Promise:
    """``rest`` is what checks of real runs do not see, and who does."""

    text: str
    rest: str = ""


_SIMULATED = "the simulator judges"

PROMISES: Mapping[str, Promise] = MappingProxyType(
    {
        "P1": Promise(
            "answered means committed",
            "that it is on the disks of a majority before the answer leaves,"
            f" {_SIMULATED} (told_is_durable, committed_safe); here power cuts show it",
        ),
        "P2": Promise("offers survive the leader, or are rescinded"),
        "P3": Promise("ACCEPT is atomic and idempotent"),
        "P4": Promise("no resource is given twice, at any index"),
        "P5": Promise(
            "a committed launch reaches its agent, and starts once",
            f"a start that was never reported {_SIMULATED} (launches_once)",
        ),
        "P6": Promise(
            "status updates arrive, in order, until acknowledged",
            f"those of operations {_SIMULATED} (operations_told)",
        ),
        "P7": Promise("deadlines are neither shortened nor forgotten"),
        "P8": Promise(
            "a deposed leader is harmless",
            f"what it orders agents to do {_SIMULATED} (deposed_harmless)",
        ),
        "P9": Promise("the same log gives the same bytes"),
        "P10": Promise(
            "bad input is an answer, never a crash",
            "the answers themselves are judged by the fuzz tests of each decoder",
        ),
        "I1": Promise("at an index every node applies the same command, for ever"),
        "I2": Promise(
            "one leader a term; terms and indexes never go back",
            f"votes {_SIMULATED} (one_vote); commit indexes are volatile, so they may"
            " be lower after a restart",
        ),
        "I3": Promise(
            "what was answered is in the log of every later leader",
            f"of logs that are not applied yet {_SIMULATED} (committed_safe)",
        ),
        "I4": Promise("on every agent offered + used + reserved <= total, always"),
        "I5": Promise("an offer has one owner, and is consumed once"),
        "I6": Promise("no resource is in two offers, or with two frameworks"),
        "I7": Promise("a task id is launched once, on one agent"),
        "I8": Promise("ended tasks stay ended, and give back what they held once"),
        "I9": Promise("registrations are not lost, and ids never given again"),
        "I10": Promise("a framework's events come on its newest subscription only"),
        "I11": Promise(
            "nothing of a leader of an older term counts",
            f"in the log it is judged here; of what agents are ordered, {_SIMULATED}",
        ),
        "I12": Promise(
            "quota, weights, reservations and volumes stay as they were set",
            f"no workload of real runs has volumes; {_SIMULATED} them (volumes_kept)",
        ),
        "I13": Promise("updates come in order, at least once, none when acknowledged"),
        "I14": Promise("an accepted task runs, ends, or is lost for a reason"),
        "I15": Promise("reconciliation never calls a task lost that is not"),
        "I16": Promise(
            "a healed cluster elects, gathers its agents and gets everything done",
            "that shares of frameworks are fair (DRF) is judged by the tests of the"
            " allocator",
        ),
        "I17": Promise(
            "reads and writes of what operators set are linearizable",
            "status pages may be old, and say so",
        ),
        "I18": Promise("at rest leader, agents and log agree on what is held"),
        "I19": Promise("what is in doubt happens once, or never"),
    }
)
"""By name."""


def promise_text(name: str) -> str:
    """For a person: ``P4: no resource is given twice, at any index``."""
    return f"{name}: {PROMISES[name].text}"
