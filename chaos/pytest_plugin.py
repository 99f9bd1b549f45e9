"""The pytest plugin: a cluster of real processes, and a nemesis, for a test.

    def test_survives(raftleader_cluster, nemesis):
        with ClusterExecutor(raftleader_cluster.leaders) as executor:
            future = executor.submit(lambda: 6 * 7)
            nemesis.kill("leader")
            assert future.result(timeout=30) == 42

See docs/chaos-testing.md. This module is loaded in every run of pytest on a machine
where raftleader is installed: it imports nothing of ours until a fixture is used.
"""

from __future__ import annotations

import os

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from contextlib import AbstractContextManager
    from typing import Any

    from chaos.testing.cluster import ChaosCluster
    from chaos.testing.history import ChaosHistory
    from chaos.testing.nemesis import Nemesis
    from chaos.testing.plugin import Book

SEED_FIXTURE = "raftleader_seed"
SEED_OPTION = "--raftleader-seed"
MODULE = "chaos.pytest_plugin"
_BOOK: pytest.StashKey[Book] = pytest.StashKey()
_NODEID: pytest.StashKey[str] = pytest.StashKey()
_MARKERS = (
    "raftleader(leaders=3, agents=2, network='loopback', seed=None, ...): the cluster "
    "that the fixture raftleader_cluster starts; see docs/chaos-testing.md",
    "chaos_seeds(*seeds): run the test once with each of these seeds",
    "chaos_duration(time): how long nemesis.schedule() goes on and the cluster is "
    "waited for, e.g. '30s'",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("raftleader", "clusters of raftleader")
    group.addoption(
        SEED_OPTION,
        type=int,
        metavar="N",
        help="the seed of every test with a cluster; without it each draws its own, "
        "and prints it if it fails",
    )
    group.addoption(
        "--raftleader-report",
        metavar="DIR",
        help="keep logs, history and report of tests that fail in DIR",
    )
    group.addoption(
        "--raftleader-keep",
        action="store_true",
        help="keep those of tests that pass, too",
    )


def pytest_configure(config: pytest.Config) -> None:
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One run for each seed of ``chaos_seeds``, or for that of the command line."""
    marker = metafunc.definition.get_closest_marker("chaos_seeds")
    if marker is None:
        return
    where = f"{metafunc.definition.nodeid}: chaos_seeds"
    if not marker.args or not all(isinstance(seed, int) for seed in marker.args):
        raise pytest.UsageError(f"{where}: expected seeds, e.g. chaos_seeds(1, 2, 3)")
    if SEED_FIXTURE not in metafunc.fixturenames:
        raise pytest.UsageError(
            f"{where}: the test has no cluster; it needs raftleader_cluster, or "
            f"{SEED_FIXTURE}"
        )
    forced = metafunc.config.getoption(SEED_OPTION)
    seeds = marker.args if forced is None else (forced,)
    ids = [f"seed{seed}" for seed in seeds]
    metafunc.parametrize(SEED_FIXTURE, seeds, indirect=True, ids=ids)


def pytest_runtest_setup(item: pytest.Item) -> None:
    item.config.stash[_NODEID] = nodeid = _typed(item)
    if (book := item.config.stash.get(_BOOK, None)) is not None:
        book.nodeid = nodeid


def pytest_keyboard_interrupt(excinfo: pytest.ExceptionInfo[BaseException]) -> None:
    """Clusters are stopped now, and nothing is judged."""
    for book in _books:
        book.is_interrupted = True


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, Any, None]:
    outcome = yield
    book = item.config.stash.get(_BOOK, None)
    if book is None:
        return
    from chaos.testing.plugin import SECTION, TEARDOWN_SECTION

    report = outcome.get_result()
    if report.failed and report.when != "teardown":
        report.sections += [(SECTION, text) for text in book.failed()]
    if report.when == "teardown":
        report.sections += [(TEARDOWN_SECTION, text) for text in book.verdicts()]


@pytest.fixture
def raftleader_seed(request: pytest.FixtureRequest) -> int:
    """The seed of this test: of the command line, of ``chaos_seeds``, of the marker
    ``raftleader``, or drawn."""
    from chaos.testing.plugin import drawn_seed

    forced: int | None = request.config.getoption(SEED_OPTION)
    candidates = (forced, getattr(request, "param", None), _arguments(request)["seed"])
    return next((seed for seed in candidates if seed is not None), drawn_seed())


@pytest.fixture(scope="session")
def raftleader_cluster_factory(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., AbstractContextManager[ChaosCluster]]:
    """``with raftleader_cluster_factory(leaders=5) as cluster``: for clusters that live
    longer than a test, or for several. Arguments are those of the marker
    ``raftleader``, and ``chaos_duration``; ``cluster.nemesis`` and ``cluster.history``
    are what the fixtures are."""
    book = _book(request.config, tmp_path_factory)
    return book.factory(request.config.getoption(SEED_OPTION))


@pytest.fixture
def raftleader_cluster(
    request: pytest.FixtureRequest,
    raftleader_seed: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ChaosCluster]:
    """A cluster for this test, ready for work. After the test everything is healed and
    judged: a broken promise is an error of the test."""
    from chaos.testing.errors import BrokenPromiseError, ClusterStartError
    from chaos.testing.request import request_of
    from raftleader.errors import ConfigError

    book = _book(request.config, tmp_path_factory)
    duration = request.node.get_closest_marker("chaos_duration")
    try:
        wanted = request_of(
            {**_arguments(request), "seed": None},
            seed=raftleader_seed,
            duration=_only_argument(duration),
        )
    except ConfigError as error:
        pytest.fail(f"@pytest.mark.raftleader: {error}", pytrace=False)
    try:
        with book.cluster(wanted) as cluster:
            yield cluster
    except (ClusterStartError, BrokenPromiseError) as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def nemesis(raftleader_cluster: ChaosCluster) -> Nemesis:
    """What breaks the cluster of this test."""
    return raftleader_cluster.nemesis


@pytest.fixture
def chaos_history(raftleader_cluster: ChaosCluster) -> ChaosHistory:
    """What the test did and saw, to be written down and read back."""
    return raftleader_cluster.history


_books: list[Book] = []
"""Of this process; pytest may run in pytest, in tests of plugins."""


def _book(config: pytest.Config, temporary: pytest.TempPathFactory) -> Book:
    book = config.stash.get(_BOOK, None)
    if book is None:
        from pathlib import Path

        from chaos.testing.plugin import Book

        reports = config.getoption("--raftleader-report")
        is_by_hand = MODULE in config.invocation_params.args
        book = Book(
            Path(reports).resolve() if reports else temporary.mktemp("raftleader"),
            config.getoption("--raftleader-keep"),
            ("-p", MODULE) if is_by_hand else (),
        )
        book.nodeid = config.stash[_NODEID]
        config.stash[_BOOK] = book
        _books.append(book)
    return book


def _typed(item: pytest.Item) -> str:
    """Its name, as it is typed in the folder where pytest was started."""
    _, separator, rest = str(item.nodeid).partition("::")
    path = os.path.relpath(item.path, item.config.invocation_params.dir)
    return f"{path}{separator}{rest}"


def _arguments(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Of the markers ``raftleader``; the nearest wins."""
    found: dict[str, Any] = {"seed": None}
    for marker in reversed(list(request.node.iter_markers("raftleader"))):
        if marker.args:
            pytest.fail(
                "@pytest.mark.raftleader: arguments need names, e.g. leaders=3",
                pytrace=False,
            )
        found |= marker.kwargs
    return found


def _only_argument(marker: pytest.Mark | None) -> Any:
    if marker is None:
        return None
    if len(marker.args) != 1 or marker.kwargs:
        pytest.fail(
            "@pytest.mark.chaos_duration: expected one time, e.g. '30s'", pytrace=False
        )
    return marker.args[0]
