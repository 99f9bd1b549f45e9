"""Servers as processes: they come up, they end with us, the real one is found."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest
import trio
from support.proxy_wire import dial, open_peers

from chaos.proxy.processes import ServerError, find_real_server, open_server
from raftleader.cli.local_process import child_environment

SLEEPER = """\
#!/bin/sh
# As the real one: it does not care whether anybody is left.
exec {python} -P -m chaos.proxy.main "$@"
"""


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A program in the real one's place."""
    path = tmp_path / "toxiproxy-server"
    path.write_text(SLEEPER.format(python=sys.executable))
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("is_foreign", [False, True])
async def test_server_runs_while_the_block_does(
    foreign: Path, is_foreign: bool
) -> None:
    real = foreign if is_foreign else None
    async with open_peers() as peers, open_server(real=real, seed=3) as server:
        assert server.is_real is is_foreign
        assert server.name.endswith("2.12.0+raftleader")
        upstream = f"127.0.0.1:{peers.port}"
        made = await server.control.create("p", listen="127.0.0.1:0", upstream=upstream)
        client = await dial(int(made.rpartition(":")[2]))
        await peers.next()
        family = _family(server.process.pid)
    assert await client.end() == "closed"
    assert not any(process.is_running() for process in family)


@pytest.mark.parametrize("is_foreign", [False, True])
async def test_server_ends_when_we_are_killed(foreign: Path, is_foreign: bool) -> None:
    program = f"""
        import trio
        from pathlib import Path
        from chaos.proxy.processes import open_server

        async def main():
            real = Path({str(foreign)!r}) if {is_foreign} else None
            async with open_server(real=real) as server:
                print(server.process.pid, flush=True)
                await trio.sleep_forever()

        trio.run(main)
    """
    run = await trio.lowlevel.open_process(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        env=child_environment(),
    )
    assert run.stdout is not None
    with trio.fail_after(30):
        family = _family(int(await run.stdout.receive_some()))
    run.send_signal(signal.SIGKILL)
    with trio.fail_after(10):
        await run.wait()
        await trio.to_thread.run_sync(psutil.wait_procs, family, 9)
    assert not any(_lives(process) for process in family)


async def test_end_of_a_server_is_noticed(foreign: Path) -> None:
    async with open_server(real=foreign) as server:
        server_itself = next(
            process
            for process in _family(server.process.pid)
            if "-m" in process.cmdline()
        )
        server_itself.kill()
        with trio.fail_after(10):
            assert "ended with" in str(await server.wait_ended())


async def test_missing_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ServerError, match=r"pip install 'raftleader\[chaos\]'"):
        async with open_server(real=None):
            pass


def test_nothing_of_the_extra_is_needed_before_a_server_is_driven() -> None:
    program = "import chaos.network.proxies, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program],
        env=child_environment(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert "chaos.proxy.control" in loaded
    assert not {"toxiproxy", "requests", "future"} & set(loaded)


async def test_program_that_is_none_is_told(tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.write_text("#!/bin/sh\necho why >&2\nexit 3\n")
    bad.chmod(0o755)
    log_file = tmp_path / "log"
    with pytest.raises(ServerError, match="did not begin: ended with 3"):
        async with open_server(real=bad, log_file=log_file):
            pass
    assert "why" in log_file.read_text()


def test_real_server_is_the_one_named_or_the_one_on_the_path(foreign: Path) -> None:
    folder = str(foreign.parent)
    assert find_real_server({"PATH": folder}) == foreign
    assert find_real_server({"PATH": "/nowhere"}) is None
    named = {"PATH": "/nowhere", "TOXIPROXY_SERVER": str(foreign)}
    assert find_real_server(named) == foreign
    assert find_real_server({"PATH": folder, "TOXIPROXY_SERVER": "/missing"}) is None


def _family(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
