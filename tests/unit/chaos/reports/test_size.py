"""A report of a long and busy run is still a file that can be sent."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import msgspec

from chaos.history.records import NodeSample, Op, OpType, PhaseRecord, Record
from chaos.reports import write_report

OPERATIONS = 50_000
SECONDS = 120
BYTES_MAX = 3_000_000
BEGAN_NS = 10**13


def encode(record: Record) -> str:
    return msgspec.json.encode(record).decode()


def test_report_of_a_hundred_thousand_records_is_below_three_megabytes(
    tmp_path: Path,
) -> None:
    rng = random.Random(1)
    lines = [encode(PhaseRecord(name="faults", at_ns=BEGAN_NS))]
    lines.append(encode(NodeSample(node="leader-1", at_ns=BEGAN_NS, is_up=True)))
    for number in range(OPERATIONS):
        began_ns = BEGAN_NS + rng.randrange(SECONDS * 10**9)
        took_ns = int(10 ** rng.uniform(5, 9.5))
        kind = rng.choices([OpType.OK, OpType.FAIL, OpType.INFO], [90, 6, 4])[0]
        common: dict[str, Any] = {
            "process": f"framework-{number % 8}/1",
            "id": number,
            "f": "accept",
            "key": f"task-{number}",
        }
        lines.append(encode(Op(**common, type=OpType.INVOKE, at_ns=began_ns)))
        lines.append(
            encode(
                Op(
                    **common,
                    type=kind,
                    at_ns=began_ns + took_ns,
                    error="" if kind is OpType.OK else f"no answer to {number}",
                )
            )
        )
    (tmp_path / "history.jsonl").write_text("\n".join(lines))
    page = write_report(tmp_path).read_text()
    assert len(page.encode()) < BYTES_MAX
    assert "dots that would lie on others are not drawn" in page
    assert "that ended ok are not drawn" in page
    source = page.partition('id="data">')[2].partition("</script>")[0]
    rows = json.loads(source)["operations"]["rows"]
    assert len(rows) == 10_000
    # Nothing that went wrong was left out.
    bad = sum('"type":"fail"' in one or '"type":"info"' in one for one in lines)
    assert sum(row[4] != 0 for row in rows) == bad
