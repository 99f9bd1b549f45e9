from __future__ import annotations

from raftleader.allocator.filters import SHORT_FILTERS_MAX, ShortFilters
from raftleader.protocol.ids import AgentId, FrameworkId
from raftleader.protocol.resources import parse_resources

F, G = FrameworkId("f"), FrameworkId("g")
S, T = AgentId("s"), AgentId("t")
ALL = parse_resources("cpus:4;mem:100;ports:[1-9]")
CPUS = parse_resources("cpus:4")


def _refuses(
    filters: ShortFilters,
    framework: FrameworkId = F,
    role: str = "a",
    agent: AgentId = S,
    now_ms: int = 0,
) -> bool:
    return filters.refuses(framework, role, agent, CPUS, now_ms)


def test_filter_hides_a_part_of_what_was_refused_until_its_end() -> None:
    filters = ShortFilters()
    filters.add(F, "a", S, ALL, 5_000)
    assert _refuses(filters, now_ms=4_999)
    assert not _refuses(filters, now_ms=5_000)
    assert not filters.refuses(F, "a", S, parse_resources("cpus:5"), 0)


def test_filter_is_of_one_framework_role_and_agent() -> None:
    filters = ShortFilters()
    filters.add(F, "a", S, ALL, 5_000)
    assert not _refuses(filters, framework=G)
    assert not _refuses(filters, role="b")
    assert not _refuses(filters, agent=T)


def test_a_later_smaller_refusal_does_not_shorten_an_earlier_one() -> None:
    filters = ShortFilters()
    filters.add(F, "a", S, ALL, 5_000)
    filters.add(F, "a", S, CPUS, 1_000)
    assert _refuses(filters, now_ms=3_000)


def test_clear_framework_forgets_the_named_roles() -> None:
    filters = ShortFilters()
    for role in ("a", "b"):
        filters.add(F, role, S, ALL, 5_000)
    filters.clear_framework(F, ("a",))
    assert not _refuses(filters, role="a")
    assert _refuses(filters, role="b")
    filters.clear_framework(F)
    assert not _refuses(filters, role="b")
    filters.clear_framework(G, ("a",))  # unknown: nothing to do


def test_clear_agent_forgets_filters_of_all_frameworks() -> None:
    filters = ShortFilters()
    for framework in (F, G):
        for agent in (S, T):
            filters.add(framework, "a", agent, ALL, 5_000)
    filters.clear_agent(S)
    assert not _refuses(filters, F) and not _refuses(filters, G)
    assert _refuses(filters, F, agent=T) and _refuses(filters, G, agent=T)


def test_prune_drops_what_is_over() -> None:
    filters = ShortFilters()
    filters.add(F, "a", S, ALL, 5_000)
    filters.add(F, "a", T, ALL, 9_000)
    filters.add(G, "a", S, ALL, 5_000)
    assert filters.next_end_ms(0) == 5_000
    filters.prune(5_000)
    assert filters.next_end_ms(0) == 9_000
    filters.prune(9_000)
    assert filters == ShortFilters()
    assert filters.next_end_ms(0) is None


def test_agents_whose_filters_ended_are_told_once() -> None:
    filters = ShortFilters()
    filters.add(F, "a", S, ALL, 5_000)
    filters.add(G, "a", S, ALL, 5_000)
    filters.add(F, "a", T, ALL, 9_000)
    assert filters.take_ended(4_999) == {}
    assert filters.take_ended(5_000) == {S: None}
    assert filters.take_ended(8_999) == {}
    assert filters.take_ended(9_000) == {T: None}


def test_filters_are_bounded() -> None:
    filters = ShortFilters()
    for number in range(SHORT_FILTERS_MAX + 1):
        small = parse_resources(f"cpus:{number + 1};mem:{SHORT_FILTERS_MAX - number}")
        filters.add(F, "a", S, small, 5_000)
    assert not filters.refuses(
        F, "a", S, parse_resources(f"cpus:1;mem:{SHORT_FILTERS_MAX}"), 0
    )
    assert filters.refuses(F, "a", S, parse_resources("cpus:2;mem:1"), 0)
