from chaos.checkers.real_time_order import Placed, out_of_order


def placed(began: int, ended: int | None, index: int) -> Placed:
    return Placed(name=f"e{index}", began_ns=began, ended_ns=ended, index=index)


def test_order_is_right_when_indexes_follow_time() -> None:
    assert not list(out_of_order([placed(0, 1, 1), placed(2, 3, 2), placed(4, 5, 9)]))


def test_operations_that_overlap_may_have_any_order() -> None:
    assert not list(out_of_order([placed(0, 10, 9), placed(5, 20, 3)]))


def test_operation_with_a_smaller_index_than_one_answered_before_is_found() -> None:
    first, second = placed(0, 1, 7), placed(2, 3, 5)

    assert list(out_of_order([second, first])) == [(first, second)]


def test_two_operations_of_one_entry_cannot_follow_each_other() -> None:
    assert len(list(out_of_order([placed(0, 1, 7), placed(2, 3, 7)]))) == 1


def test_operation_without_an_answer_puts_no_bound_on_others() -> None:
    assert not list(out_of_order([placed(0, None, 7), placed(2, 3, 5)]))


def test_each_late_operation_is_shown_with_the_highest_before_it() -> None:
    highest = placed(0, 2, 9)
    late = [placed(5, 6, 3), placed(7, 8, 4)]

    found = list(out_of_order([placed(0, 1, 2), highest, *late]))

    assert found == [(highest, late[0]), (highest, late[1])]
