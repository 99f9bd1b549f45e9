import time
from pathlib import Path

import msgspec
import pytest
from support.planted_violations import VIOLATIONS
from support.synthetic_history import make_synthetic_run

from chaos.judging.check import Check, Seen
from chaos.judging.evidence import Evidence
from chaos.judging.judge import CHECKS, judge
from chaos.judging.judgement import (
    Judged,
    decode_judgement,
    encode_judgement,
    judgement_as_dict,
    judgement_from_dict,
)
from chaos.judging.promises import PROMISES
from chaos.live.run_file import HISTORY, RUN
from chaos.results import Verdict


def judged(folder: Path) -> dict[str, Judged]:
    return {one.checker: one for one in judge(folder).results}


@pytest.mark.parametrize("seed", [1, 2])
def test_run_is_valid_when_all_is_well(tmp_path: Path, seed: int) -> None:
    judgement = judge(make_synthetic_run(tmp_path, seed, seconds=12.0))

    wrong = [one for one in judgement.results if one.verdict is not Verdict.VALID]
    assert not wrong
    assert judgement.verdict is Verdict.VALID


@pytest.mark.parametrize("violation", sorted(VIOLATIONS))
def test_violation_is_found_when_it_is_planted(tmp_path: Path, violation: str) -> None:
    name, _ = VIOLATIONS[violation]
    (check,) = [one for one in CHECKS if one.name == name]
    folder = make_synthetic_run(tmp_path, 1, violation, seconds=9.0)

    found = check.judge(Evidence(folder))

    assert found.verdict is Verdict.INVALID
    assert found.problems


def test_judgement_is_the_same_when_it_was_written_and_read(tmp_path: Path) -> None:
    judgement = judge(make_synthetic_run(tmp_path, 1, "called-lost", seconds=8.0))

    assert decode_judgement(encode_judgement(judgement)) == judgement
    through_json = msgspec.json.decode(
        msgspec.json.encode(judgement_as_dict(judgement))
    )
    assert judgement_from_dict(through_json) == judgement


def test_every_promise_is_judged_by_a_check() -> None:
    named = {name for check in CHECKS for name in check.promises}

    assert named == set(PROMISES)
    assert len({check.name for check in CHECKS}) == len(CHECKS)


def test_checks_are_unknown_when_the_folder_is_empty(tmp_path: Path) -> None:
    judgement = judge(tmp_path)

    assert judgement.verdict is Verdict.UNKNOWN
    assert {one.verdict for one in judgement.results} == {Verdict.UNKNOWN}
    assert all(one.problems for one in judgement.results)


def test_check_is_unknown_and_names_the_error_when_it_fails(tmp_path: Path) -> None:
    def look(evidence: Evidence) -> Seen:
        raise ZeroDivisionError(str(evidence.folder.name))

    found = Check(name="a check", promises=("P1",), look=look).judge(Evidence(tmp_path))

    assert found.verdict is Verdict.UNKNOWN
    (problem,) = found.problems
    assert problem.text == f"the check failed: ZeroDivisionError: {tmp_path.name}"


def test_checks_of_clients_are_unknown_when_the_history_is_no_history(
    tmp_path: Path,
) -> None:
    folder = make_synthetic_run(tmp_path, 1, seconds=8.0)
    (folder / HISTORY).write_text('{"kind": "nothing"}\n')

    found = judged(folder)

    assert found["I17 registers are linearizable"].verdict is Verdict.UNKNOWN
    assert found["I1 all nodes apply one log"].verdict is Verdict.VALID


def test_checks_of_the_log_are_unknown_when_nobody_recorded_its_beginning(
    tmp_path: Path,
) -> None:
    folder = make_synthetic_run(tmp_path, 1, seconds=8.0)
    for path in folder.glob("nodes/*/applied-1.rec"):
        path.unlink()

    found = judged(folder)

    judged_log = found["P4 no resource twice"]
    assert judged_log.verdict is Verdict.UNKNOWN
    assert judge(folder).verdict is not Verdict.VALID


def test_run_is_unknown_when_a_workload_did_too_little(tmp_path: Path) -> None:
    folder = make_synthetic_run(tmp_path, 1, seconds=8.0)
    lines = (folder / HISTORY).read_bytes().splitlines(keepends=True)
    kept = [one for one in lines if b'"process":"hoarder-1/' not in one]
    (folder / HISTORY).write_bytes(b"".join(kept))

    found = judged(folder)["enough was seen"]

    assert found.verdict is Verdict.UNKNOWN
    texts = [problem.text for problem in found.problems]
    assert "hoarder-1: no decline went well" in texts
    assert any(text.startswith("hoarder-1: 0.00 operations") for text in texts)


def test_run_is_unknown_when_a_scheduled_fault_was_not_made(tmp_path: Path) -> None:
    folder = make_synthetic_run(tmp_path, 1, seconds=8.0)
    run = msgspec.json.decode((folder / RUN).read_bytes())
    run["schedule"].append({"fault": "lost-disk"})
    (folder / RUN).write_bytes(msgspec.json.encode(run))

    found = judged(folder)["enough was seen"]

    assert found.verdict is Verdict.UNKNOWN
    assert [one.text for one in found.problems] == [
        "lost-disk was on, and was not made"
    ]


def test_run_is_invalid_when_a_node_wrote_a_traceback(tmp_path: Path) -> None:
    folder = make_synthetic_run(tmp_path, 1, seconds=8.0)
    (folder / "nodes/leader-1/log").write_text(
        "INFO started\n"
        "Traceback (most recent call last):\n"
        '  File "x.py", line 1, in f\n'
        "    boom()\n"
        "ValueError: bad frame\n"
        "Traceback (most recent call last):\n"
        '  File "x.py", line 1, in f\n'
        "OSError: [Errno 28] No space left on device\n"
    )

    found = judged(folder)["P10 no process dies of bad input"]

    assert found.verdict is Verdict.INVALID
    (problem,) = found.problems
    assert problem.text == "leader-1 wrote a traceback: ValueError: bad frame"


def test_run_of_usual_length_is_judged_within_seconds(tmp_path: Path) -> None:
    """A tenth of 30,000 entries and 100,000 records, which may take 30 s."""
    folder = make_synthetic_run(tmp_path, 1, seconds=20.0)
    began = time.process_time()

    figures = judge(folder).figures

    assert time.process_time() - began < 3.0
    assert figures.entries > 2500
    assert figures.records > 5000
