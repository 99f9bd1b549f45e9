"""The parser's half of ``leader`` and ``agent``: the daemons."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from raftleader.cli.exit_codes import run_command
from raftleader.cli.log_lines import set_up_logging
from raftleader.cli.options import Config, Lifeline, LogLevel
from raftleader.cli.sections import AgentSection, LeaderSection
from raftleader.cli.settings import load_section


def register(app: typer.Typer) -> None:
    """Add these commands to the parser."""
    app.command()(leader)
    app.command()(agent)


def leader(
    node_id: Annotated[
        str | None, typer.Option(help="Its name among the leaders.  [leader]")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where its journal lies.")
    ] = None,
    peer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NODE=tcp://HOST:PORT",
            help="Every leader node, this one included; repeat for each. "
            "None: this node alone.",
        ),
    ] = None,
    peer_via: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NODE=tcp://HOST:PORT",
            help="Dial that leader node there, not at its address in --peer; repeat "
            "for more.",
        ),
    ] = None,
    http: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="The API.  [127.0.0.1:5050]"),
    ] = None,
    http_advertise: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="The API as others reach it.  [that of --http]"
        ),
    ] = None,
    agents: Annotated[
        str | None,
        typer.Option(
            metavar="tcp://HOST:PORT",
            help="Where agents dial in.  [tcp://127.0.0.1:5150]",
        ),
    ] = None,
    cluster_id: Annotated[
        str | None, typer.Option(help="Name of the cluster.  [raftleader]")
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            help="auto, raft, pysyncobj or single_node; equal on all leaders.  [auto]"
        ),
    ] = None,
    join: Annotated[
        bool | None,
        typer.Option(
            "--join",
            help="Come to a cluster that exists, and wait for: raftleader members add.",
        ),
    ] = None,
    weight: Annotated[
        list[str] | None,
        typer.Option(metavar="ROLE=NUMBER", help="Share of a role; repeat for more."),
    ] = None,
    offer_timeout_s: Annotated[
        float | None,
        typer.Option(help="An unanswered offer is rescinded after so long.  [300]"),
    ] = None,
    agent_timeout_s: Annotated[
        float | None,
        typer.Option(help="A silent agent is unreachable after so long.  [75]"),
    ] = None,
    snapshot_entries: Annotated[
        int | None,
        typer.Option(help="Entries of the log between two snapshots.  [100000]"),
    ] = None,
    keep_entries: Annotated[
        int | None,
        typer.Option(
            help="Kept before a snapshot, for nodes that are a little behind.  [10000]"
        ),
    ] = None,
    domain: Annotated[
        str | None,
        typer.Option(metavar="REGION/ZONE", help="Where it stands.  [nowhere]"),
    ] = None,
    nice: Annotated[
        int | None,
        typer.Option(help="Its priority: -20, most urgent, to 19."),
    ] = None,
    external_log_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Its log, to be read over the API.  [none]"),
    ] = None,
    config: Config = None,
    log_level: LogLevel = None,
    die_with_fd: Lifeline = None,
) -> None:
    """Run a leader node. TERM or Ctrl-C stops it.

    Every option may stand in section [leader] of the file, or in the environment
    as RAFTLEADER_LEADER_<NAME>.

    Example: raftleader leader --data-dir /var/lib/raftleader
    """
    from raftleader.cli.daemon_leader import serve_leader

    flags = {
        "node_id": node_id,
        "data_dir": data_dir,
        "peers": peer,
        "peer_via": peer_via,
        "http": http,
        "http_advertise": http_advertise,
        "agents": agents,
        "cluster_id": cluster_id,
        "engine": engine,
        "join": join,
        "weights": weight,
        "offer_timeout_s": offer_timeout_s,
        "agent_timeout_s": agent_timeout_s,
        "snapshot_entries": snapshot_entries,
        "keep_entries": keep_entries,
        "domain": domain,
        "external_log_file": external_log_file,
        "nice": nice,
        "log_level": log_level,
    }

    async def call() -> int:
        section = load_section(
            LeaderSection, "leader", flags=flags, environ=os.environ, file=config
        )
        set_up_logging(section.log_level)
        return await serve_leader(section, lifeline_fd=die_with_fd)

    run_command(call)


def agent(
    work_dir: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Its memory and the tasks' sandboxes."),
    ] = None,
    leader: Annotated[
        list[str] | None,
        typer.Option(
            metavar="tcp://HOST:PORT",
            help="The agents' address of every leader node; repeat for each.",
        ),
    ] = None,
    http: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Its state and files.  [127.0.0.1:5051]"
        ),
    ] = None,
    resources: Annotated[
        str | None,
        typer.Option(metavar="'cpus:4;mem:8192'", help="What it offers.  [detected]"),
    ] = None,
    hostname: Annotated[
        str | None, typer.Option(help="Under which frameworks reach it.  [ours]")
    ] = None,
    attributes: Annotated[
        str | None, typer.Option(metavar="'rack:r1'", help="Facts for frameworks.")
    ] = None,
    domain: Annotated[
        str | None,
        typer.Option(metavar="REGION/ZONE", help="Where it stands.  [nowhere]"),
    ] = None,
    cluster_id: Annotated[
        str | None, typer.Option(help="Refuse any other cluster.  [take the first]")
    ] = None,
    config: Config = None,
    log_level: LogLevel = None,
    die_with_fd: Lifeline = None,
) -> None:
    """Run an agent on this machine. TERM or Ctrl-C stops it.

    Every option may stand in section [agent] of the file, or in the environment
    as RAFTLEADER_AGENT_<NAME>.

    Example: raftleader agent --work-dir /var/lib/agent --leader tcp://10.0.0.1:5150
    """
    from raftleader.cli.daemon_agent import serve_agent

    flags = {
        "work_dir": work_dir,
        "leaders": leader,
        "http": http,
        "resources": resources,
        "hostname": hostname,
        "attributes": attributes,
        "domain": domain,
        "cluster_id": cluster_id,
        "log_level": log_level,
    }

    async def call() -> int:
        section = load_section(
            AgentSection, "agent", flags=flags, environ=os.environ, file=config
        )
        set_up_logging(section.log_level)
        return await serve_agent(section, lifeline_fd=die_with_fd)

    run_command(call)
