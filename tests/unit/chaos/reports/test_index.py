from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from chaos.live.run_file import change_run
from chaos.reports import write_index, write_report


def rows_of(page: str) -> list[str]:
    body = page.partition("<tbody>")[2].partition("</tbody>")[0]
    rows = re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]*>", " ", row).split()) for row in rows]


def test_index_has_a_row_for_each_run_the_newest_first(
    valid_run: Path, violated_run: Path, tmp_path: Path
) -> None:
    for place, (name, run) in enumerate(
        [("old one", valid_run), ("new", violated_run)]
    ):
        folder = Path(shutil.copytree(run, tmp_path / name))
        change_run(folder, wall_s=1_700_000_000.0 + 86_400 * place)
        write_report(folder)
    (tmp_path / "no run").mkdir()
    path = write_index(tmp_path)
    page = path.read_text()
    assert path == tmp_path / "index.html"
    first, second = rows_of(page)
    assert first.startswith("✕ violated new 2023-11-15 22:13 UTC 7 ")
    assert second.startswith("✓ valid old one 2023-11-14 22:13 UTC 7 ")
    assert "kill" in first and " raft " in first
    assert 'href="old%20one/report.html"' in page
    assert "2 runs" in page
    assert "http://" not in page and "https://" not in page


def test_index_shows_runs_of_which_little_is_left(
    valid_run: Path, tmp_path: Path
) -> None:
    for name, content in (
        ("broken", "{"),
        ("odd", '["<b>"]'),
        ("killed", json.dumps({"version": 1, "request": {"seed": "<img>"}})),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(content)
    below = tmp_path / "group" / "run"
    shutil.copytree(valid_run, below)
    page = write_index(tmp_path).read_text()
    rows = rows_of(page)
    assert len(rows) == 4
    assert sum("not judged" in row for row in rows) == 3
    assert any("group/run (none)" in row for row in rows)
    assert "<img" not in page


def test_index_of_nothing_says_how_to_make_a_run(tmp_path: Path) -> None:
    assert "raftleader chaos live" in write_index(tmp_path).read_text()
