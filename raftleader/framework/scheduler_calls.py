"""Every call of the scheduler API as a method.

``SchedulerDriver`` inherits them: apart they would be two objects in a framework
author's hands where one will do, and together one file of five hundred lines.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import msgspec

from raftleader.errors import ApiError, RaftLeaderError
from raftleader.framework.acknowledgements import Acknowledger, AnyStatus, acknowledging
from raftleader.framework.calls import Caller
from raftleader.framework.errors import FrameworkEndedError
from raftleader.framework.offer_book import OfferBook
from raftleader.framework.subscription import Subscription
from raftleader.limits import REFUSE_S_DEFAULT
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import AgentId, FrameworkId, OfferId, TaskId
from raftleader.protocol.offers import Launch, Operation, refuse_ms_of
from raftleader.protocol.scheduler_api import (
    Accept,
    AcceptInverseOffers,
    Call,
    Decline,
    DeclineInverseOffers,
    Kill,
    Reconcile,
    ReconcileOperation,
    ReconcileOperations,
    ReconcileTask,
    RequestResources,
    Revive,
    SendMessage,
    ShutdownExecutor,
    Suppress,
    Teardown,
    UpdateFramework,
)
from raftleader.protocol.tasks import TaskInfo

if TYPE_CHECKING:
    from raftleader.protocol.constraints import OfferConstraints


class SchedulerCalls(abc.ABC):
    """What a framework may ask of the leader.

    Every call waits until a leader has answered that it is in the log of a
    majority. When an answer is lost, or the leader changes, the call is sent
    again. It raises ApiError with the leader's words when refused, UnavailableError
    at its deadline if it certainly did not happen, OutcomeUnknownError if it may
    have. A call that is cancelled may or may not have happened.
    """

    def __init__(self, book: OfferBook, call_timeout_s: float) -> None:
        self._book = book
        self._call_timeout_s = call_timeout_s
        self._is_torn_down = False
        self._subscription: Subscription | None = None
        self._caller: Caller | None = None
        self._acknowledger: Acknowledger | None = None

    @abc.abstractmethod
    def stop(self) -> None:
        """End the driver."""

    # --- Offers -------------------------------------------------------------------

    async def accept(
        self,
        offer_ids: Iterable[OfferId],
        tasks: Iterable[TaskInfo] = (),
        *,
        operations: Iterable[Operation] = (),
        refuse_s: float = REFUSE_S_DEFAULT,
        timeout_s: float | None = None,
    ) -> None:
        """Use offers of one agent: perform ``operations``, then start ``tasks``.

        What is left of the offers goes back, and ``refuse_s`` keeps it from being
        offered to us for so many seconds. All of it is one step of the cluster; what
        cannot be done is reported by updates: of tasks (TASK_ERROR, TASK_DROPPED),
        and of those operations that have an ``id``.
        """
        ids, launched = tuple(offer_ids), tuple(tasks)
        launch = (Launch(tasks=launched),) if launched else ()
        wanted = (*operations, *launch)
        await self._use_offers(
            ids,
            lambda framework_id: Accept(
                framework_id=framework_id,
                offer_ids=ids,
                operations=wanted,
                refuse_ms=refuse_ms_of(refuse_s),
            ),
            timeout_s,
        )

    async def decline(
        self,
        offer_ids: Iterable[OfferId],
        *,
        refuse_s: float = REFUSE_S_DEFAULT,
        timeout_s: float | None = None,
    ) -> None:
        """Give offers back, and do not be offered the like for ``refuse_s``."""
        ids = tuple(offer_ids)
        await self._use_offers(
            ids,
            lambda framework_id: Decline(
                framework_id=framework_id,
                offer_ids=ids,
                refuse_ms=refuse_ms_of(refuse_s),
            ),
            timeout_s,
        )

    async def accept_inverse_offers(
        self, offer_ids: Iterable[OfferId], *, refuse_s: float = REFUSE_S_DEFAULT
    ) -> None:
        """Say that these resources will be given back in time."""
        ids = tuple(offer_ids)
        await self._call(
            lambda i: AcceptInverseOffers(
                framework_id=i,
                inverse_offer_ids=ids,
                refuse_ms=refuse_ms_of(refuse_s),
            )
        )

    async def decline_inverse_offers(
        self, offer_ids: Iterable[OfferId], *, refuse_s: float = REFUSE_S_DEFAULT
    ) -> None:
        """Say that these resources will not be given back; ask again later."""
        ids = tuple(offer_ids)
        await self._call(
            lambda i: DeclineInverseOffers(
                framework_id=i,
                inverse_offer_ids=ids,
                refuse_ms=refuse_ms_of(refuse_s),
            )
        )

    async def revive(self, roles: Iterable[str] = ()) -> None:
        """Be offered everything again for these roles, or for all of ours."""
        named = tuple(roles)
        subscription = self._running_subscription()
        revived = named or subscription.wishes.framework.roles
        self._suppress(set(subscription.wishes.suppressed_roles) - set(revived))
        await self._call(lambda i: Revive(framework_id=i, roles=named))

    async def suppress(self, roles: Iterable[str] = ()) -> None:
        """Be offered nothing for these roles, or for any, until ``revive``."""
        named = tuple(roles)
        subscription = self._running_subscription()
        suppressed = named or subscription.wishes.framework.roles
        self._suppress(set(subscription.wishes.suppressed_roles) | set(suppressed))
        await self._call(lambda i: Suppress(framework_id=i, roles=named))

    async def request_resources(self) -> None:
        """Hint that offers are wanted (Mesos' REQUEST; no allocator reads it)."""
        await self._call(lambda i: RequestResources(framework_id=i))

    # --- Tasks and executors --------------------------------------------------------

    async def kill(
        self,
        task_id: TaskId,
        agent_id: AgentId | None = None,
        *,
        grace_s: float | None = None,
    ) -> None:
        """End a task; its end is reported by an update."""
        grace_ms = None if grace_s is None else round(grace_s * 1000)
        await self._call(
            lambda i: Kill(
                framework_id=i, task_id=task_id, agent_id=agent_id, grace_ms=grace_ms
            )
        )

    async def reconcile(self, tasks: Iterable[ReconcileTask] = ()) -> None:
        """Ask for the state of these tasks, or of all; it comes as updates."""
        asked = tuple(tasks)
        await self._call(lambda i: Reconcile(framework_id=i, tasks=asked))

    async def shutdown_executor(self, executor_id: str, agent_id: AgentId) -> None:
        """End an executor and its tasks; their ends are reported by updates."""
        await self._call(
            lambda i: ShutdownExecutor(
                framework_id=i, executor_id=executor_id, agent_id=agent_id
            )
        )

    async def send_message(
        self, agent_id: AgentId, executor_id: str, data: bytes
    ) -> None:
        """Send bytes to an executor. They may get lost on the way, or come twice."""
        await self._call(
            lambda i: SendMessage(
                framework_id=i, agent_id=agent_id, executor_id=executor_id, data=data
            )
        )

    # --- Operations -----------------------------------------------------------------

    async def reconcile_operations(
        self, operations: Iterable[ReconcileOperation] = ()
    ) -> None:
        """Ask for the state of these operations, or of all; it comes as updates."""
        asked = tuple(operations)
        await self._call(
            lambda i: ReconcileOperations(framework_id=i, operations=asked)
        )

    # --- Acknowledgements -----------------------------------------------------------

    async def acknowledge(self, status: AnyStatus) -> None:
        """Tell the leader that this update, of a task or of an operation, was taken;
        waits until it is in the log. Nothing happens for one without a uuid.
        """
        if acknowledging(FrameworkId(""), status) is None:
            return

        def make(framework_id: FrameworkId) -> Call:
            call = acknowledging(framework_id, status)
            assert call is not None
            return call

        await self._call(make)
        self._running_acknowledger().remember(status)

    async def acknowledge_soon(self, status: AnyStatus) -> None:
        """Acknowledge in the background, with others. Waits only if too many wait."""
        await self._running_acknowledger().acknowledge_soon(status)

    # --- The framework itself ---------------------------------------------------------

    async def update_framework(
        self,
        framework: FrameworkInfo,
        *,
        suppressed_roles: Iterable[str] | None = None,
        offer_constraints: OfferConstraints | None = None,
    ) -> None:
        """Be another framework under the same id: other roles, name, capabilities.

        What is not given stays as it is. What is refused changes nothing.
        """
        subscription = self._running_subscription()
        before = subscription.wishes
        wishes = before.changed(
            framework=framework,
            suppressed_roles=suppressed_roles,
            offer_constraints=offer_constraints,
        )
        # Before the call: a re-subscription on its way must say the same.
        subscription.wishes = wishes
        try:
            await self._call(
                lambda i: UpdateFramework(
                    framework_id=i,
                    framework_info=msgspec.structs.replace(framework, id=i),
                    suppressed_roles=wishes.suppressed_roles,
                    offer_constraints=wishes.offer_constraints,
                )
            )
        except RaftLeaderError as error:
            if error.definite:
                subscription.wishes = before
            raise

    async def teardown(self, *, timeout_s: float | None = None) -> None:
        """Kill all tasks and end the framework for good; ``run`` then returns."""
        self._is_torn_down = True
        try:
            await self._call(lambda i: Teardown(framework_id=i), timeout_s)
        except FrameworkEndedError:
            pass  # an earlier attempt did it, and only its answer was lost
        except ApiError as error:
            if "cannot be found" not in error.text:
                self._is_torn_down = False
                raise
        except RaftLeaderError:
            self._is_torn_down = False
            raise
        self.stop()

    # --- How --------------------------------------------------------------------------

    def _running_acknowledger(self) -> Acknowledger:
        assert self._acknowledger is not None, "the driver does not run"
        return self._acknowledger

    def _running_subscription(self) -> Subscription:
        assert self._subscription is not None, "the driver does not run"
        return self._subscription

    def _suppress(self, roles: set[str]) -> None:
        # Before the call: a re-subscription on its way must say the same.
        subscription = self._running_subscription()
        subscription.wishes = subscription.wishes.changed(
            suppressed_roles=sorted(roles)
        )

    async def _call(
        self, make: Callable[[FrameworkId], Call], timeout_s: float | None = None
    ) -> None:
        assert self._caller is not None, "the driver does not run"
        await self._caller.call(
            make, timeout_s=self._call_timeout_s if timeout_s is None else timeout_s
        )

    async def _use_offers(
        self,
        offer_ids: tuple[OfferId, ...],
        make: Callable[[FrameworkId], Call],
        timeout_s: float | None,
    ) -> None:
        self._book.take(offer_ids)
        try:
            await self._call(make, timeout_s)
        except RaftLeaderError as error:
            if error.definite:
                self._book.put_back(offer_ids)
            raise
