import itertools
import random
from collections.abc import Sequence

import pytest
from support.register_histories import random_history

from chaos.checkers.linearizable import Timed, check_linearizable
from chaos.checkers.registers import Register, register_histories
from chaos.history.queries import Operation
from chaos.history.records import OpType
from chaos.results import Verdict

REGISTER = Register()


def timed(began: int, ended: int | None, f: str, value: object) -> Timed:
    is_read = f == "read"
    return Timed(
        began_ns=began,
        ended_ns=ended,
        asked=(f, None if is_read else value),
        answer=value if is_read else None,
        name=f"{f} {value}",
    )


def verdict(*history: Timed) -> Verdict:
    return check_linearizable({"x": history}, REGISTER).verdict


def test_history_is_valid_when_reads_see_the_newest_write() -> None:
    assert (
        verdict(
            timed(0, 1, "read", None),
            timed(2, 3, "write", 1),
            timed(4, 5, "read", 1),
        )
        is Verdict.VALID
    )


def test_history_is_invalid_when_a_read_is_stale() -> None:
    found = check_linearizable(
        {
            "x": [
                timed(0, 1, "write", 1),
                timed(2, 3, "write", 2),
                timed(4, 5, "read", 1),
            ]
        },
        REGISTER,
    )

    assert found.verdict is Verdict.INVALID
    ((key, stuck, words),) = found.problems
    assert key == "x"
    assert stuck is not None
    assert words == "read 1 fits nowhere"


def test_history_is_invalid_when_two_reads_see_values_in_turn() -> None:
    assert (
        verdict(
            timed(0, 100, "write", 1),
            timed(0, 1, "write", 2),
            timed(2, 3, "read", 1),
            timed(4, 5, "read", 2),
        )
        is Verdict.INVALID
    )


def test_write_in_doubt_may_happen_late_or_never() -> None:
    doubtful = timed(0, None, "write", 7)

    assert verdict(doubtful, timed(5, 6, "read", None)) is Verdict.VALID
    assert (
        verdict(doubtful, timed(5, 6, "read", None), timed(90, 99, "read", 7))
        is Verdict.VALID
    )
    assert (
        verdict(doubtful, timed(5, 6, "read", 7), timed(90, 99, "read", None))
        is Verdict.INVALID
    )


def test_operations_that_touch_in_time_overlap() -> None:
    assert verdict(timed(0, 5, "write", 1), timed(5, 9, "read", None)) is Verdict.VALID


def by_trying_all(history: Sequence[Timed]) -> bool:
    """Linearizable by definition: some order of some subset, which time allows."""
    must = [one for one in history if one.ended_ns is not None]
    may = [one for one in history if one.ended_ns is None]
    for size in range(len(may) + 1):
        for chosen in itertools.combinations(may, size):
            for order in itertools.permutations([*must, *chosen]):
                if _is_allowed(order) and _is_legal(order):
                    return True
    return False


def _is_allowed(order: Sequence[Timed]) -> bool:
    return not any(
        after.ended_ns is not None and after.ended_ns < before.began_ns
        for place, before in enumerate(order)
        for after in order[place + 1 :]
    )


def _is_legal(order: Sequence[Timed]) -> bool:
    state = REGISTER.initial
    for one in order:
        fits, state = REGISTER.step(state, one)
        if not fits:
            return False
    return True


def test_search_says_the_same_as_trying_all_orders() -> None:
    rng = random.Random(5)
    seen = set()
    for _ in range(150):
        history = random_history(
            rng, operations=5, clients=3, in_doubt=0.2, changed=rng.randrange(3)
        )
        expected = Verdict.VALID if by_trying_all(history) else Verdict.INVALID
        seen.add(expected)

        assert verdict(*history) is expected, history
    assert seen == {Verdict.VALID, Verdict.INVALID}


def test_long_history_of_ten_clients_is_judged_in_time() -> None:
    history = random_history(
        random.Random(3), operations=4000, clients=6, in_doubt=0.0, has_cas=False
    )

    found = check_linearizable({"x": history}, REGISTER)

    assert found.verdict is Verdict.VALID
    assert found.judged == 4000


def test_verdict_is_unknown_when_the_search_takes_too_many_steps() -> None:
    history = random_history(random.Random(1), operations=300, clients=6)

    found = check_linearizable({"x": history}, REGISTER, steps_max=50)

    assert found.verdict is Verdict.UNKNOWN
    assert found.judged == 0
    assert "given up after 51 steps" in found.problems[0][2]


def test_verdict_is_unknown_when_the_search_takes_too_long() -> None:
    clock = iter(range(1000))
    history = random_history(random.Random(1), operations=6000, clients=3)

    found = check_linearizable(
        {"x": history}, REGISTER, seconds_max=0.5, now_s=lambda: float(next(clock))
    )

    assert found.verdict is Verdict.UNKNOWN


def test_other_keys_are_not_searched_when_a_smaller_one_is_invalid() -> None:
    wrong = [timed(0, 1, "write", 1), timed(2, 3, "read", 9)]
    long = random_history(random.Random(2), operations=200, clients=3)

    found = check_linearizable({"long": long, "wrong": wrong}, REGISTER)

    assert found.verdict is Verdict.INVALID
    assert found.judged == 2


def operation(f: str, kind: OpType, *, answer: object, value: object) -> Operation:
    return Operation(
        process="registry-1/1",
        id=1,
        f=f,
        key="x",
        type=kind,
        began_ns=1,
        ended_ns=2,
        value=value,
        answer=answer,
    )


@pytest.mark.parametrize("kind", [OpType.FAIL, OpType.INFO])
def test_reads_without_an_answer_are_left_out(kind: OpType) -> None:
    histories = register_histories([operation("read", kind, answer=None, value=None)])

    assert not histories.get("x")


def test_writes_in_doubt_are_left_out_when_nobody_read_them() -> None:
    written = [
        operation("write", OpType.INFO, answer=None, value=value) for value in (1, 2)
    ]
    read = operation("read", OpType.OK, answer=2, value=None)

    (doubtful, seen) = register_histories([*written, read])["x"]

    assert doubtful.asked == ("write", 2)
    assert doubtful.ended_ns is None
    assert seen.answer == 2


def test_writes_in_doubt_stay_when_values_are_exchanged() -> None:
    written = operation("write", OpType.INFO, answer=None, value=1)
    exchanged = operation("cas", OpType.OK, answer=False, value=[5, 6])

    history = register_histories([written, exchanged])["x"]

    assert len(history) == 2
    assert check_linearizable({"x": history}, REGISTER).verdict is Verdict.VALID
