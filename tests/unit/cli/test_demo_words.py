"""The demo's word count."""

from __future__ import annotations

from pathlib import Path

from raftleader.cli.demo_words import add_up, count_words, groups_of, source_files


def written(folder: Path, name: str, text: str) -> str:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return str(file)


def test_words_are_counted_over_files_in_lower_case(tmp_path: Path) -> None:
    one = written(tmp_path, "one.py", "Raft raft_log = 1\n")
    two = written(tmp_path, "two.py", "log")
    assert count_words([one, two]) == {"raft": 2, "log": 2}


def test_parts_add_up_to_the_count_of_the_whole(tmp_path: Path) -> None:
    files = [written(tmp_path, f"{i}.py", f"word w{'x' * i} word") for i in range(7)]
    groups = groups_of(files, 3)
    assert add_up(count_words(group) for group in groups) == count_words(files)


def test_groups_hold_every_file_once_and_are_of_similar_size(tmp_path: Path) -> None:
    files = [written(tmp_path, f"{i}.py", "x" * 10 * i) for i in range(1, 41)]
    groups = groups_of(files, 4)
    assert sorted(file for group in groups for file in group) == sorted(files)
    sizes = [sum(Path(file).stat().st_size for file in group) for group in groups]
    assert max(sizes) - min(sizes) <= 400


def test_groups_are_no_more_than_files(tmp_path: Path) -> None:
    assert groups_of([written(tmp_path, "a.py", "a")], 300) == [
        [str(tmp_path / "a.py")]
    ]


def test_files_of_other_distributions_are_left_out(tmp_path: Path) -> None:
    ours = written(tmp_path, "json/decoder.py", "")
    written(tmp_path, "site-packages/other.py", "")
    written(tmp_path, "json/notes.txt", "")
    assert source_files(tmp_path) == [ours]
