"""What an executor says to its agent."""

from __future__ import annotations

import logging

import trio

from raftleader.errors import ApiError, RaftLeaderError, UnavailableError
from raftleader.framework.executors.environment import ExecutorEnvironment
from raftleader.framework.executors.ledger import Ledger
from raftleader.framework.executors.subscription import (
    EXECUTOR_PATH,
    TRY_AGAIN,
    ExecutorSubscription,
    Link,
)
from raftleader.framework.http_answers import Answer
from raftleader.framework.http_client import HttpClient, encode_request
from raftleader.protocol.executor_api import Beat, Call, SendMessage, Update
from raftleader.protocol.executor_v1 import encode_call
from raftleader.protocol.tasks import TaskStatus

log = logging.getLogger("raftleader.framework")

ANSWER_TIMEOUT_S = 10.0
"""An agent answers when it has an update on its disk: milliseconds."""
BEAT_INTERVAL_S = 30 * 60.0
"""Between HEARTBEAT calls; Mesos' own value."""
BUSY_PAUSE_S = 0.1


class AgentCalls:
    """Sends calls on one connection, in the order they were made."""

    def __init__(
        self,
        environment: ExecutorEnvironment,
        ledger: Ledger,
        subscription: ExecutorSubscription,
        client: HttpClient,
    ) -> None:
        self._environment = environment
        self._ledger = ledger
        self._subscription = subscription
        self._client = client
        self._turn = trio.Lock()

    async def tell(self, status: TaskStatus) -> None:
        """Send an update, unless SUBSCRIBE tells it; see ``ExecutorDriver.update``."""
        self._ledger.told(status)
        call = Update(
            executor_id=self._environment.executor_id,
            framework_id=self._environment.framework_id,
            status=status,
        )
        while status.uuid in self._ledger.updates:
            link = await self._subscription.wait_link()
            if status.uuid in link.told:
                return
            try:
                await self._send(link, call)
                return
            except ApiError:
                self._ledger.withdrawn(status)
                raise
            except RaftLeaderError as error:
                log.info("an update is told again: %s", error)
                await link.ended.wait()

    async def message(self, data: bytes) -> None:
        """Send bytes to the scheduler, once."""
        call = SendMessage(
            executor_id=self._environment.executor_id,
            framework_id=self._environment.framework_id,
            data=data,
        )
        await self._send(await self._subscription.wait_link(), call)

    async def beat(self) -> None:
        """Keep what lies between from closing an idle connection; until cancelled."""
        call = Beat(
            executor_id=self._environment.executor_id,
            framework_id=self._environment.framework_id,
        )
        while True:
            await trio.sleep(BEAT_INTERVAL_S)
            try:
                await self._attempt(call)
            except RaftLeaderError as error:
                log.info("no answer to HEARTBEAT: %s", error)

    async def _send(self, link: Link, call: Call) -> None:
        """Until it is answered 202, also by an agent that is busy for a while."""
        while True:
            answer = await self._attempt(call)
            if answer.status in (200, 202):
                return
            if answer.status not in TRY_AGAIN:
                raise ApiError(answer.status, answer.text)
            if link.ended.is_set():
                raise UnavailableError("the agent was lost")
            await trio.sleep(BUSY_PAUSE_S)

    async def _attempt(self, call: Call) -> Answer:
        agent, headers = self._environment.agent, self._subscription.headers
        data = encode_request(agent, "POST", EXECUTOR_PATH, headers, encode_call(call))
        async with self._turn:  # fair, so calls leave in the order they were made
            connection = await self._client.connection(agent)
            exchange = await connection.post(data)
        return await exchange.wait(ANSWER_TIMEOUT_S)
