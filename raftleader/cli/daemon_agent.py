"""``agent``: from settings to a running agent."""

from __future__ import annotations

from functools import cache, partial

from agent.config import AgentConfig
from agent.service import run_agent
from raftleader.cli.daemons import serve
from raftleader.cli.sections import AgentSection
from transports.registry import transport_for


async def serve_agent(section: AgentSection, *, lifeline_fd: int | None) -> int:
    """Run an agent until it is told to end; returns the exit code.

    Raises ConfigError, JournalDamagedError or OSError if it cannot begin.
    """
    for address in section.leaders:
        transport_for(address)
    config = AgentConfig(
        leaders=section.leaders,
        work_dir=section.work_dir,
        http=section.http,
        hostname=section.hostname,
        resources=section.resources,
        attributes=section.attributes,
        cluster_id=section.cluster_id,
    )
    return await serve(
        partial(run_agent, config, transport_for=cache(transport_for)),
        addresses={"http": section.http},
        lifeline_fd=lifeline_fd,
    )
