"""Persistent volumes: made, shown, kept, deleted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.volumes import VolumeError, VolumeLink, VolumeStore, link_volumes
from raftleader.protocol.agent_rpc import VolumeName
from raftleader.protocol.resource_keys import (
    Reservation,
    ResourceKind,
    VolumeInfo,
    key_of_kind,
)
from raftleader.protocol.resources import Resources


def volume(volume_id: str, role: str = "eng/web", path: str = "data") -> Resources:
    kind = ResourceKind(
        name="disk",
        reservations=(Reservation("DYNAMIC", role),),
        volume=VolumeInfo(volume_id, path),
    )
    return Resources.of({key_of_kind(kind): 64_000})


def sandbox_in(folder: Path) -> str:
    sandbox = folder / "sandbox"
    sandbox.mkdir()
    return str(sandbox)


def test_volume_is_made_once_and_shown_in_each_sandbox(tmp_path: Path) -> None:
    store = VolumeStore(tmp_path / "volumes")
    cpus = Resources.of({"cpus": 1_000, "disk(eng)": 5_000})
    (link,) = store.links_of(volume("v", path="a/data") + cpus)
    assert link.folder == str(tmp_path / "volumes/roles/eng web/v")
    sandbox = sandbox_in(tmp_path)
    link_volumes(sandbox, [link])
    Path(sandbox, "a/data/file").write_text("kept")

    os.mkdir(tmp_path / "second")
    link_volumes(str(tmp_path / "second"), [link])
    assert Path(tmp_path, "second/a/data/file").read_text() == "kept"
    link_volumes(str(tmp_path / "second"), [link])  # again: nothing happens


@pytest.mark.parametrize("path", ["/etc", "../out", "a/../../b", "", "."])
def test_volume_is_not_shown_outside_of_the_sandbox(tmp_path: Path, path: str) -> None:
    with pytest.raises(VolumeError, match="container path"):
        link_volumes(sandbox_in(tmp_path), [VolumeLink(str(tmp_path / "v"), path)])
    assert not (tmp_path / "v").exists()


def test_volume_is_not_shown_through_a_link_or_over_a_file(tmp_path: Path) -> None:
    sandbox = sandbox_in(tmp_path)
    os.symlink("/tmp", f"{sandbox}/link")
    Path(sandbox, "stdout").touch()
    folder = str(tmp_path / "v")
    with pytest.raises(VolumeError, match="is a link"):
        link_volumes(sandbox, [VolumeLink(folder, "link/x")])
    with pytest.raises(VolumeError, match="has a file stdout"):
        link_volumes(sandbox, [VolumeLink(folder, "stdout")])


def test_only_volumes_that_are_named_are_kept(tmp_path: Path) -> None:
    store = VolumeStore(tmp_path / "volumes")
    for role, volume_id in (("eng/web", "kept"), ("eng/web", "gone"), ("ops", "gone")):
        folder = store.folder_of(role, volume_id)
        folder.mkdir(parents=True)
        (folder / "file").write_text(volume_id)

    assert store.discard_others([VolumeName(role="eng/web", id="kept")])
    roles = tmp_path / "volumes/roles"
    assert [p.relative_to(roles).as_posix() for p in roles.glob("*/*")] == [
        "eng web/kept"
    ]
    # One of the same name can be made at once, and is not what was deleted.
    folder = store.folder_of("eng/web", "gone")
    folder.mkdir(parents=True)
    store.empty()
    assert list(folder.iterdir()) == []
    assert list((tmp_path / "volumes/deleted").iterdir()) == []
    assert not store.discard_others(
        [VolumeName(role="eng/web", id="kept"), VolumeName(role="eng/web", id="gone")]
    )
    assert (store.folder_of("eng/web", "kept") / "file").read_text() == "kept"


def test_what_was_moved_aside_before_a_restart_is_removed(tmp_path: Path) -> None:
    before = VolumeStore(tmp_path / "volumes")
    before.folder_of("r", "a").mkdir(parents=True)
    before.discard_others([])
    after = VolumeStore(tmp_path / "volumes")
    after.folder_of("r", "b").mkdir(parents=True)
    after.discard_others([])  # the first place is taken
    assert len(list((tmp_path / "volumes/deleted").iterdir())) == 2
    after.empty()
    assert list((tmp_path / "volumes/deleted").iterdir()) == []
