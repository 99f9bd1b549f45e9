"""Bytes of a URI, from a server or from this machine."""

from __future__ import annotations

import base64
import http.client
import os
import stat
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator

from agent.fetcher.places import Budget, FetchError

CHUNK_BYTES = 256 * 1024

_SAFE_IN_URLS = "%/:=&?~#+!$,;@()*[]'"
"""What a URL may have besides letters and digits; all else is sent as %XX."""


def chunks_of_url(url: str, budget: Budget, *, stall_s: float) -> Iterator[bytes]:
    """What a server answers, also by way of others. Raises FetchError, OSError."""
    try:
        with _opener().open(_request(url), timeout=stall_s) as response:
            if response.status != 200:
                raise FetchError(_code_text(response.status))
            expected = _content_length(response)
            budget.check_bytes(expected or 0)
            count = 0
            while chunk := response.read(CHUNK_BYTES):
                count += len(chunk)
                yield chunk
            if expected is not None and count < expected:
                raise FetchError(f"it ended after {count} of {expected} bytes")
    except urllib.error.HTTPError as error:
        error.close()
        raise FetchError(_code_text(error.code)) from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise _stalled(stall_s) from None
        raise FetchError(f"Error downloading resource: {error.reason}") from None
    except TimeoutError:
        raise _stalled(stall_s) from None
    except http.client.IncompleteRead as error:
        problem = f"it ended too early, within {len(error.partial)} bytes"
        raise FetchError(problem) from None
    except (http.client.HTTPException, ValueError) as error:
        problem = str(error) or type(error).__name__
        raise FetchError(f"Error downloading resource: {problem}") from None


def chunks_of_file(path: str) -> Iterator[bytes]:
    """The content of a file of this machine. Raises FetchError, OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise FetchError("it is not a plain file")
        while chunk := os.read(fd, CHUNK_BYTES):
            yield chunk
    finally:
        os.close(fd)


def _opener() -> urllib.request.OpenerDirector:
    # Not the usual one, which also reads files and speaks FTP when a server says so.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    opener.addheaders = [("User-Agent", "raftleader-fetcher"), ("Accept", "*/*")]
    return opener


def _request(url: str) -> urllib.request.Request:
    parts = urllib.parse.urlsplit(urllib.parse.quote(url, safe=_SAFE_IN_URLS))
    user, at, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(parts._replace(netloc=host).geturl())
    if at:
        name = urllib.parse.unquote(user).encode()
        credentials = base64.b64encode(name if b":" in name else name + b":").decode()
        # Not for whom it is redirected to.
        request.add_unredirected_header("Authorization", f"Basic {credentials}")
    return request


def _content_length(response: http.client.HTTPResponse) -> int | None:
    text = response.headers.get("Content-Length")
    if text is None or response.chunked:
        return None
    return int(text) if text.isdecimal() else None


def _code_text(code: int) -> str:
    return f"Error downloading resource, received HTTP return code {code}"


def _stalled(stall_s: float) -> FetchError:
    return FetchError(f"Error downloading resource: nothing came for {stall_s:g} s")
