"""What is made of the URIs of a command."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.fetcher.plan import BadUriError, plan_steps, shown_uri
from agent.fetcher.steps import OWN_FILES, ArchiveKind, FetchStep
from raftleader.protocol.tasks import Uri


def step_of(value: str, **more: Any) -> FetchStep:
    (step,) = plan_steps([Uri(value=value, **more)])
    return step


@pytest.mark.parametrize(
    ("value", "url", "path", "name"),
    [
        ("http://h:1/a/b", "http://h:1/a/b", None, "b"),
        ("  https://h/b", "https://h/b", None, "b"),
        ("http://h/b.zip?v=1", "http://h/b.zip?v=1", None, "b.zip?v=1"),
        ("http://h/b?x=/c", "http://h/b?x=/c", None, "c"),
        ("/opt/b", None, "/opt/b", "b"),
        ("file:///opt/b", None, "/opt/b", "b"),
        ("file://localhost/opt/b", None, "/opt/b", "b"),
    ],
)
def test_source_and_name_are_those_of_mesos(
    value: str, url: str | None, path: str | None, name: str
) -> None:
    step = step_of(value)
    assert (step.url, step.path, step.place) == (url, path, (name,))


@pytest.mark.parametrize(
    ("value", "more", "problem"),
    [
        ("b", {}, "relative path"),
        ("./b", {}, "relative path"),
        ("file://b/c", {}, "only supports absolute paths"),
        ("ftp://h/b", {}, "only http, https and file"),
        ("hdfs://h/b", {}, "only http, https and file"),
        ("HTTP://h/b", {}, "only http, https and file"),
        ("http://h", {}, "missing path"),
        ("http://h/", {"output_file": "b"}, "missing path"),
        ("http://h/a/", {}, "names no file"),
        ("", {}, "relative path"),
        ("/", {}, "names no file"),
        ("http://h/a/..", {}, "within the sandbox"),
        ("http://h/a'b", {}, "Illegal characters"),
        ("/a\\b", {}, "Illegal characters"),
        ("/a\0b", {}, "Illegal characters"),
        ("/a", {"output_file": ""}, "empty"),
        ("/a", {"output_file": "/etc/passwd"}, "within the sandbox"),
        ("/a", {"output_file": "b/../../c"}, "within the sandbox"),
        ("/a", {"output_file": "b\0"}, "within the sandbox"),
        ("/a", {"output_file": "."}, "names no file"),
        ("/a", {"output_file": "stderr"}, "of its own"),
        ("/a/stdout", {}, "of its own"),
    ],
)
def test_uri_that_cannot_be_fetched_is_named_with_the_reason(
    value: str, more: dict[str, str], problem: str
) -> None:
    with pytest.raises(BadUriError, match=problem) as caught:
        step_of(value, **more)
    assert str(caught.value).startswith(f"Failed to fetch '{value.lstrip()}': ")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.tar", ArchiveKind.TAR),
        ("a.tgz", ArchiveKind.TAR),
        ("a.tar.gz", ArchiveKind.TAR),
        ("a.tbz2", ArchiveKind.TAR),
        ("a.tar.bz2", ArchiveKind.TAR),
        ("a.txz", ArchiveKind.TAR),
        ("a.tar.xz", ArchiveKind.TAR),
        ("a.gz", ArchiveKind.GZIP),
        ("a.zip", ArchiveKind.ZIP),
        ("a.bz2", None),
        ("a.TAR", None),
        ("tar", None),
    ],
)
def test_archives_are_known_by_the_name_of_the_copy(
    name: str, kind: ArchiveKind | None
) -> None:
    assert step_of(f"/x/{name}").archive is kind
    assert step_of("/x/y", output_file=f"deep/{name}").archive is kind
    assert step_of(f"/x/{name}", output_file="plain").archive is None
    assert step_of(f"/x/{name}", is_extracted=False).archive is None
    executable = step_of(f"/x/{name}", is_executable=True)
    assert (executable.archive, executable.is_executable) == (None, True)


def test_output_file_may_be_in_a_folder() -> None:
    assert step_of("/x/y", output_file="./bin//y").place == ("bin", "y")


def test_password_is_not_shown() -> None:
    assert shown_uri("http://me:secret@h/a") == "http://me:***@h/a"
    assert shown_uri("http://h/a@b:c") == "http://h/a@b:c"
    step = step_of("http://me:secret@h/a")
    assert (step.url, step.shown) == (
        "http://me:secret@h/a",
        "http://me:***@h/a",
    )


@given(value=st.text(max_size=30), output_file=st.none() | st.text(max_size=20))
def test_any_uri_has_a_place_in_the_sandbox_or_a_problem(
    value: str, output_file: str | None
) -> None:
    try:
        step = step_of(value, output_file=output_file)
    except BadUriError:
        return
    assert step.place
    assert not {"", "/", "..", "."} & set(step.place)
    assert step.place[0] not in OWN_FILES
    assert (step.url is None) != (step.path is None)
