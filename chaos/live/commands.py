"""``raftleader chaos live``, ``check``, ``report``, ``clean``, apart from the parser.

This is the outer process of a run: it looks at the machine, draws everything, has the
inner process carry it out, judges what that left behind and writes the report.
"""

from __future__ import annotations

import random
import time
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import trio

import raftleader
from chaos.judging.judgement import Judgement
from chaos.live.concluding import conclude, gather, report
from chaos.live.launching import launch_inner
from chaos.live.plan_file import RunPlan
from chaos.live.planning import check_words, draw_plan
from chaos.live.progress import display
from chaos.live.request import LiveRequest, new_folder, parse_duration
from chaos.live.run_file import OUTCOME, RUN, VERSION, read_run, write_json
from chaos.live.showing import exit_code, show_plan, show_run
from chaos.machine.capabilities import Machine, probe
from chaos.machine.house import remove_leftovers
from raftleader.cli.exit_codes import one_line, sole_error
from raftleader.cli.output import Output
from raftleader.cli.serve import run_until_ended
from raftleader.errors import ConfigError
from raftleader.httpd.server import join_address

REPORTS = Path("chaos-reports")
SEED_DRAWN_BITS = 32
"""A seed that a person can still type."""


def live_request(*, seed: int | None, for_time: str, **keys: Any) -> LiveRequest:
    """What was typed; a seed is drawn if there is none. Raises ConfigError."""
    if seed is None:
        seed = random.SystemRandom().getrandbits(SEED_DRAWN_BITS)
    request = LiveRequest(seed=seed, for_s=parse_duration(for_time, "--for"), **keys)
    request.check()
    return request


def run_live(request: LiveRequest, folder: Path | None, output: Output) -> int:
    """One run, from the first look at the machine to the verdict; the exit code."""
    check_words(request)
    folder = new_folder(folder or default_folder(request.seed))
    machine = probe()
    try:
        plan = draw_plan(request, machine)
    except ConfigError:
        folder.rmdir()  # it is ours, and empty
        raise
    write_plan(folder, plan, machine)
    for line in remove_leftovers():
        output.note(f"of an earlier run that was killed: {line}")
    show_plan(plan, folder, output)
    with display(output) as shown:
        why_not = launch_inner(folder, machine, request, shown)
    gather(folder, why_not=why_not)
    return judge_and_show(folder, output)


def write_plan(folder: Path, plan: RunPlan, machine: Machine) -> None:
    """``run.json`` of a run that has not begun."""
    write_json(
        folder / RUN,
        {
            "version": VERSION,
            "raftleader": raftleader.__version__,
            "command": plan.request.command(),
            "wall_s": time.time(),
            "machine": machine.as_records(),
            **plan.as_run(),
            "began_ns": 0,
            "ended_ns": 0,
            "nodes": [],
        },
    )


def default_folder(seed: int) -> Path:
    """Below ``./chaos-reports``, by date and seed."""
    return REPORTS / f"{time.strftime('%Y-%m-%dT%H.%M.%S')}-{seed}"


def check_run(folder: Path, output: Output) -> int:
    """Judge a run again; the exit code."""
    folder = folder.resolve()
    run = read_run(folder)
    if (folder / OUTCOME).is_file() or not run.get("outcome"):
        gather(folder)
    return judge_and_show(folder, output)


def judge_and_show(folder: Path, output: Output) -> int:
    """Verdict, report and figures of a run whose processes are gone."""
    output.note("judging what was seen ...")
    run, judgement = conclude(folder)
    path = report(folder)
    run = read_run(folder)
    if path is None:
        output.note("the report could not be written; see the log above")
    if output.as_json:
        output.result(as_json(run, judgement))
    else:
        show_run(run, judgement, output)
    return exit_code(run, judgement)


def as_json(run: dict[str, Any], judgement: Judgement) -> dict[str, Any]:
    """The document of ``--json``."""
    built: dict[str, Any] = msgspec.to_builtins(judgement)
    outcome = run.get("outcome") or {}
    return {
        "verdict": built["verdict"],
        "ending": outcome.get("ending", ""),
        "seed": run["request"]["seed"],
        "command": run["command"],
        "report": run.get("report"),
        "results": built["results"],
        "figures": built["figures"],
        "left_out": run["left_out"],
        "machine": run["machine"],
        "drawn": run["drawn"],
        "outcome": outcome,
    }


def report_run(folder: Path, output: Output) -> int:
    """Write report and index again; the exit code."""
    folder = folder.resolve()
    run = read_run(folder)
    if "judgement" not in run:
        gather(folder)
        conclude(folder)
    path = report(folder)
    if path is None:
        raise ConfigError(f"{folder}: the report could not be written")
    print(path, file=output.out)
    return 0


def clean_up(output: Output) -> int:
    """Remove what killed runs left; 1 if something stays."""
    removed = remove_leftovers()
    if output.as_json:
        output.result({"removed": removed})
    else:
        print("\n".join(removed) or "nothing is left of any run", file=output.out)
    return 0


async def serve_proxy(host: str, port: int, output: Output, **options: Any) -> int:
    """The embedded proxy until a signal; the exit code. Options are ``run_proxy``'s.

    Raises ConfigError if it cannot listen there, or for its ``config``.
    """
    from chaos.proxy.server import run_proxy

    async def serve() -> None:
        async with trio.open_nursery() as nursery:
            address = await nursery.start(partial(run_proxy, host, port, **options))
            output.note(f"API at http://{address}; Ctrl-C ends it")

    try:
        return await run_until_ended(serve)
    except* OSError as group:
        why = one_line(sole_error(group))
        raise ConfigError(f"{join_address(host, port)}: {why}") from None
