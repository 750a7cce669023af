"""How a run on a plan waits: it takes in what persons decide meanwhile, and keeps the leases of its VMs."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from orchestrators.durable.entity_calls import prolong_leases
from orchestrators.durable.steps import Context, Steps, call, now, retry_patiently, show_status, wait_for_any_event
from shared.errors import Refused, Transient
from shared.messages import VaultRef
from shared.operations.contract import CHECK_SEAL, CheckSeal
from shared.operations.kinds import DECISION_EVENT
from shared.operations.pacing import PROLONG_EVERY
from shared.operations.seals import SEAL
from shared.recovery.pacing import RETRY_READ_EVERY
from shared.recovery.people import Approval, Decision

_LOG = logging.getLogger(__name__)
FOREIGN = (
    "{} decisions or approvals came that this app has not sent, and were ignored: "
    "find out who has the key of the durable webhooks, and make a new one"
)


class Aborted(Exception):
    """A person ended the run before it began: it has sent nothing and owes nothing."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(f"aborted by {decision.by}")
        self.decision = decision


class EventQueue:
    """Takes external events of one name, oldest first; one that comes while nobody waits is kept.

    Attributes:
        foreign: How many came that this app has not sent: through the engine's webhooks anybody with its key can.
    """

    def __init__(self, ctx: Context, event_name: str) -> None:
        self._ctx, self._event_name, self.foreign = ctx, event_name, 0
        self._next = ctx.wait_for_external_event(event_name)

    @property
    def has_event(self) -> bool:
        """Whether there is an event that was not taken yet."""
        return self._next.is_complete

    def take_oldest(self) -> Steps[dict[str, Any] | None]:
        """The data of the oldest event of this app that was not taken yet, None when there is none.

        What this app has not sent counts as not sent, and is told.
        """
        while self.has_event:
            event_data = self._next.get_result()
            self._next = self._ctx.wait_for_external_event(self._event_name)
            if (yield from self._is_own(event_data)):
                return cast("dict[str, Any]", event_data)
            self.foreign += 1
            log = self._ctx.create_replay_safe_logger(_LOG)
            log.warning("an event %r that this app has not sent was ignored", self._event_name)
        return None

    def _is_own(self, event_data: Any) -> Steps[bool]:
        if not isinstance(event_data, dict) or not isinstance(event_data.get(SEAL), str):
            return False
        question = CheckSeal(run=self._ctx.instance_id, name=self._event_name, payload=event_data)
        try:
            return (yield from call(self._ctx, CHECK_SEAL, question)).is_own
        except (Refused, Transient):  # what cannot be looked at is not believed
            return False

    def wait_any(self, span: timedelta, *other_queues: "EventQueue") -> Steps[None]:
        """Wait for an event of this queue or of others, but no longer than this."""
        next_events = [self._next, *(other._next for other in other_queues)]
        if span > timedelta(0) and not any(event.is_complete for event in next_events):
            yield from wait_for_any_event(self._ctx, next_events, span)


class DecisionInbox:
    """The waits of one run, with what persons decide meanwhile.

    Attributes:
        approvals: Who has let it begin so far.
        leases_renewed_at: When its leases were taken or prolonged last.
    """

    def __init__(
        self, ctx: Context, owner: str, vaults: Sequence[VaultRef], leases_renewed_at: datetime | None = None
    ) -> None:
        self._ctx, self._owner, self._lease_tables = ctx, owner, [vault.key for vault in vaults]
        self._decision_queue, self._kept_decisions = EventQueue(ctx, DECISION_EVENT), list[Decision]()
        self.leases_renewed_at = leases_renewed_at or now(ctx)
        self.approvals: tuple[Approval, ...] = ()
        self._foreign = 0

    def take_findings(self) -> tuple[str, ...]:
        """What people have to know of what came to the run, once."""
        foreign, self._foreign = self._foreign, 0
        return (FOREIGN.format(foreign),) if foreign else ()

    def next_decision(self, span: timedelta) -> Steps[Decision | None]:
        """Wait for a decision, but no longer than this; without a span only take one that is there already."""
        if self._kept_decisions:
            return self._kept_decisions.pop(0)
        return (yield from self._wait_for_decision(span))

    def prolong_leases(self) -> Steps[None]:
        """Hold for longer what the run holds."""
        yield from prolong_leases(self._ctx, self._owner, self._lease_tables)
        self.leases_renewed_at = now(self._ctx)

    def prolong_when_due(self) -> Steps[None]:
        """Prolong the leases when it is time."""
        if now(self._ctx) - self.leases_renewed_at >= PROLONG_EVERY:
            yield from self.prolong_leases()

    def wait_unless_aborted(self, span: timedelta) -> Steps[None]:
        """Wait, before the run has begun.

        Raises:
            Aborted: somebody ended it, now or since this was asked last.
        """
        yield from self.wait_for_event(None, span)

    def wait_for_event(self, event_queue: EventQueue | None, span: timedelta) -> Steps[Any]:
        """Wait for an event of another queue, before the run has begun: its data, None when there was none in time.

        Raises:
            Aborted: somebody ended it; other decisions are kept for later.
        """
        until = now(self._ctx) + span
        other_queues = (event_queue,) if event_queue else ()
        while True:
            if decision := (yield from self._wait_for_decision(until - now(self._ctx), *other_queues)):
                if decision.verdict == "abort":
                    raise Aborted(decision)
                self._kept_decisions.append(decision)
                continue
            event_data = (yield from self._take_from(event_queue)) if event_queue else None
            if event_data is not None or now(self._ctx) >= until:
                return event_data

    def _take_from(self, event_queue: EventQueue) -> Steps[Any]:
        foreign_before = event_queue.foreign
        event_data = yield from event_queue.take_oldest()
        self._foreign += event_queue.foreign - foreign_before
        return event_data

    def read_patiently[T](self, attempt: Callable[[], Steps[T]], awaited: str) -> Steps[T]:
        """Read before the run has begun, as often as it takes; the custom status says who is waited for.

        Raises:
            Aborted: somebody ended the run.
            Transient: there was no answer for all of twenty minutes.
        """
        return (yield from retry_patiently(self._ctx, attempt, lambda: self.wait_for_answer(awaited)))

    def wait_for_answer(self, awaited: str) -> Steps[None]:
        """Wait a little for whom did not answer; raises as `wait_unless_aborted` does."""
        show_status(self._ctx, {"phase": "Admission", "waitingFor": f"{awaited} to answer"})
        yield from self.wait_unless_aborted(RETRY_READ_EVERY)

    def _wait_for_decision(self, span: timedelta, *other_queues: EventQueue) -> Steps[Decision | None]:
        """The first decision within a span; None as well when there was an event of another queue."""
        until = now(self._ctx) + span
        while True:
            yield from self._decision_queue.wait_any(min(until - now(self._ctx), PROLONG_EVERY), *other_queues)
            yield from self.prolong_when_due()
            if event_data := (yield from self._take_from(self._decision_queue)):
                return Decision.model_validate({**event_data, "at": now(self._ctx)})
            if now(self._ctx) >= until or any(other.has_event for other in other_queues):
                return None
