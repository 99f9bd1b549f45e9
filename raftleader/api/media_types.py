"""Content-Type and Accept, as far as JSON goes."""

from __future__ import annotations

JSON = "application/json"


def is_json(content_type: str) -> bool:
    """Whether a Content-Type is JSON; parameters do not matter."""
    return content_type.partition(";")[0].strip().lower() == JSON


def accepts_json(accept: str | None) -> bool:
    """Whether an Accept header (None: there is none) admits a JSON answer.

    The most specific range decides, and a quality of zero is a refusal.
    """
    if accept is None or not accept.strip():
        return True
    found: dict[str, bool] = {}
    for part in accept.split(","):
        media, *parameters = (piece.strip().lower() for piece in part.split(";"))
        found[media] = not any(_is_zero(parameter) for parameter in parameters)
    for media in (JSON, "application/*", "*/*", "*"):
        if media in found:
            return found[media]
    return False


def _is_zero(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    if name.strip() != "q":
        return False
    try:
        return float(value) <= 0
    except ValueError:
        return False
