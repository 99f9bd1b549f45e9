"""From the URIs of a command to what is done about them. Pure.

What is a URI's name, what is local and which names are archives is as in Mesos.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from agent.fetcher.steps import OWN_FILES, ArchiveKind, FetchStep
from raftleader.protocol.tasks import Uri

_ARCHIVES = (
    (".tar", ArchiveKind.TAR),
    (".tgz", ArchiveKind.TAR),
    (".tar.gz", ArchiveKind.TAR),
    (".tbz2", ArchiveKind.TAR),
    (".tar.bz2", ArchiveKind.TAR),
    (".txz", ArchiveKind.TAR),
    (".tar.xz", ArchiveKind.TAR),
    (".zip", ArchiveKind.ZIP),
    (".gz", ArchiveKind.GZIP),  # after .tar.gz
)


class BadUriError(Exception):
    """A URI that cannot be fetched, by its looks. The text is for its owner."""


def plan_steps(uris: Iterable[Uri]) -> tuple[FetchStep, ...]:
    """What is to be fetched, in order. Raises BadUriError."""
    return tuple(_step_of(uri) for uri in uris)


def archive_kind(name: str) -> ArchiveKind | None:
    """How a file of this name is unpacked; None if it is no archive."""
    for ending, kind in _ARCHIVES:
        if name.endswith(ending):
            return kind
    return None


def shown_uri(value: str) -> str:
    """The URI without the password it may have."""
    scheme, separator, rest = value.partition("://")
    authority, slash, path = rest.partition("/")
    user, at, host = authority.rpartition("@")
    if not separator or not at or ":" not in user:
        return value
    return f"{scheme}://{user.partition(':')[0]}:***@{host}{slash}{path}"


def _step_of(uri: Uri) -> FetchStep:
    value = uri.value.lstrip()
    shown = shown_uri(value)
    try:
        name = _name_of(value)
        url = path = None
        if value.startswith(("http://", "https://")):
            url = value
        else:
            path = _local_path(value)
        place = _place_of(name if uri.output_file is None else uri.output_file)
    except BadUriError as error:
        raise BadUriError(f"Failed to fetch '{shown}': {error}") from None
    archive = None
    if uri.is_extracted and not uri.is_executable:
        archive = archive_kind(place[-1])
    return FetchStep(
        shown=shown,
        url=url,
        path=path,
        place=place,
        is_executable=uri.is_executable,
        archive=archive,
    )


def _name_of(value: str) -> str:
    """The last part, a query included."""
    if any(character in value for character in "\\'\0"):
        raise BadUriError("Illegal characters in URI")
    scheme, separator, rest = value.partition("://")
    if separator and len(scheme) > 1:
        if not rest.partition("/")[2]:
            raise BadUriError("Malformed URI (missing path)")
        return rest.rpartition("/")[2]
    return PurePosixPath(value).name


def _local_path(value: str) -> str:
    path, is_file_uri = value, value.startswith("file://")
    if is_file_uri:
        path = value.removeprefix("file://").removeprefix("localhost")
    elif "://" in value:
        raise BadUriError(
            "only http, https and file URIs and absolute paths can be fetched"
        )
    if not path.startswith("/"):
        if is_file_uri:
            raise BadUriError("File URI only supports absolute paths")
        raise BadUriError("a relative path is passed, and there is nothing it is of")
    return path


def _place_of(name: str) -> tuple[str, ...]:
    if not name:
        raise BadUriError("it names no file, and has no output file or an empty one")
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise BadUriError("URI output file must be within the sandbox directory")
    if not path.parts:
        raise BadUriError("it names no file")
    if path.parts[0] in OWN_FILES:
        raise BadUriError(f"the sandbox has a file {path.parts[0]} of its own")
    return path.parts
