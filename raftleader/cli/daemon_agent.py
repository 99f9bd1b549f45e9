"""``agent``: from settings to a running agent."""

from __future__ import annotations

from functools import cache, partial

from agent.config import AgentConfig
from agent.service import run_agent
from raftleader.cli.daemons import check_host_port, check_transport_address, serve
from raftleader.cli.sections import AgentSection, domain_of
from transports.registry import transport_for

AFTER_DAMAGE = """\
Give the agent an empty work_dir: it joins as a new agent, and what the old one ran is
reported unreachable once its time is over. See docs/agent.md."""


async def serve_agent(section: AgentSection, *, lifeline_fd: int | None) -> int:
    """Run an agent until it is told to end; returns the exit code.

    Raises ConfigError, JournalDamagedError or OSError if it cannot begin.
    """
    for address in section.leaders:
        check_transport_address("leaders", address)
    check_host_port("http", section.http)
    config = AgentConfig(
        leaders=section.leaders,
        work_dir=section.work_dir,
        http=section.http,
        hostname=section.hostname or None,
        resources=section.resources,
        attributes=section.attributes,
        domain=domain_of(section),
        cluster_id=section.cluster_id,
    )
    return await serve(
        partial(run_agent, config, transport_for=cache(transport_for)),
        addresses={"http": section.http},
        after_damage=AFTER_DAMAGE,
        lifeline_fd=lifeline_fd,
    )
