"""Log lines: one event, one line, whatever is in it."""

from __future__ import annotations

import io
import logging

import pytest

from raftleader.cli.log_lines import set_up_logging
from raftleader.errors import ConfigError


def test_line_has_time_level_name_message_and_fields() -> None:
    stream = io.StringIO()
    set_up_logging("info", stream=stream)
    logging.getLogger("raftleader.x").info(
        "agent registered", extra={"agent_id": "a-1", "where": "rack 2"}
    )
    time, rest = stream.getvalue().split(" ", 1)
    assert rest == "INFO raftleader.x: agent registered agent_id=a-1 where='rack 2'\n"
    assert time.endswith("Z") and "T" in time


def test_line_breaks_and_tracebacks_stay_on_the_line() -> None:
    stream = io.StringIO()
    set_up_logging("info", stream=stream)
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logging.getLogger("x").exception("failed\nbadly")
    assert stream.getvalue().count("\n") == 1
    assert "ValueError: two\\nlines" in stream.getvalue()


def test_level_below_the_chosen_one_is_not_written() -> None:
    stream = io.StringIO()
    set_up_logging("warning", stream=stream)
    logging.getLogger("x").info("quiet")
    assert stream.getvalue() == ""


def test_unknown_level_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="log_level: 'loud' is none of debug, info"):
        set_up_logging("loud")
