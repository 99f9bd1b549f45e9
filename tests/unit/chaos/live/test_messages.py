from __future__ import annotations

import pytest

from chaos.live.messages import (
    FaultChanged,
    Message,
    Note,
    PhaseBegan,
    Tick,
    decode_message,
    encode_message,
)


@pytest.mark.parametrize(
    "message",
    [
        PhaseBegan(name="faults", for_s=60.0),
        Tick(second=1.5, ops=12, leader="leader-2"),
        FaultChanged(number=1, fault="kill", phase="inject", targets=("leader-1",)),
        Note(text="no", is_problem=True),
    ],
)
def test_a_message_comes_back_from_its_line(message: Message) -> None:
    line = encode_message(message)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert decode_message(line) == message


@pytest.mark.parametrize("line", [b"", b"warning: odd\n", b"{\n", b'{"type": "x"}\n'])
def test_a_line_of_somebody_else_is_no_message(line: bytes) -> None:
    assert decode_message(line) is None
