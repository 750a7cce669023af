"""How a run on a plan waits: it hears what persons say meanwhile, and loses none of its VMs."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from durabletask import task

from orchestrators.durable.entity_calls import prolong
from orchestrators.durable.steps import INSISTS_EVERY, Steps, hear, now, persist, show_status
from shared.messages import VaultRef
from shared.operations.kinds import DECISION
from shared.recovery.run import Approval, Decision

PROLONG_EVERY = timedelta(hours=6)
"""A quarter of a lease's term: two renewals may fail to come, and the lease still stands."""


class Aborted(Exception):
    """A person ended the run before it began: it has sent nothing and owes nothing."""

    def __init__(self, said: Decision) -> None:
        super().__init__(f"aborted by {said.by}")
        self.said = said


class Ear:
    """Hears one word after the other; what is said while nobody listens is not lost."""

    def __init__(self, ctx: task.OrchestrationContext, event: str) -> None:
        self._ctx, self._event = ctx, event
        self._next = ctx.wait_for_external_event(event)

    @property
    def heard(self) -> bool:
        """Whether there is a word that was not taken yet."""
        return self._next.is_complete

    def take(self) -> Any:
        """The oldest word that was not taken yet, None when there is none."""
        if not self.heard:
            return None
        word = self._next.get_result()
        self._next = self._ctx.wait_for_external_event(self._event)
        return word

    def listen(self, span: timedelta, *others: "Ear") -> Steps[None]:
        """Wait for a word, to this ear or to others, but no longer than this."""
        ears = [self._next, *(other._next for other in others)]
        if span > timedelta(0) and not any(ear.is_complete for ear in ears):
            yield from hear(self._ctx, ears, span)


class Waiting:
    """The waits of one run.

    Attributes:
        approvals: Who has let it begin so far.
        held: When its leases were taken or prolonged last.
    """

    def __init__(
        self, ctx: task.OrchestrationContext, owner: str, vaults: Sequence[VaultRef], held: datetime | None = None
    ) -> None:
        self._ctx, self._owner, self._tables = ctx, owner, [vault.key for vault in vaults]
        self._ear, self._kept = Ear(ctx, DECISION), list[Decision]()
        self.held = held or now(ctx)
        self.approvals: tuple[Approval, ...] = ()

    def listen(self, span: timedelta) -> Steps[Decision | None]:
        """Wait for a decision, but no longer than this; without a span only for what was said already."""
        if self._kept:
            return self._kept.pop(0)
        return (yield from self._first(span))

    def prolong(self) -> Steps[None]:
        """Hold for longer what the run holds."""
        yield from prolong(self._ctx, self._owner, self._tables)
        self.held = now(self._ctx)

    def keep(self) -> Steps[None]:
        """Prolong the leases when it is time."""
        if now(self._ctx) - self.held >= PROLONG_EVERY:
            yield from self.prolong()

    def rest(self, span: timedelta) -> Steps[None]:
        """Wait, before the run has begun.

        Raises:
            Aborted: somebody ended it, now or since this was asked last.
        """
        yield from self.word(None, span)

    def word(self, ear: Ear | None, span: timedelta) -> Steps[Any]:
        """Wait for a word to another ear, before the run has begun: None when there was none in time.

        Raises:
            Aborted: somebody ended it; other decisions are kept for later.
        """
        until = now(self._ctx) + span
        others = (ear,) if ear else ()
        while said := (yield from self._first(until - now(self._ctx), *others)):
            if said.verdict == "abort":
                raise Aborted(said)
            self._kept.append(said)
        return ear.take() if ear else None

    def answered[T](self, attempt: Callable[[], Steps[T]], what: str) -> Steps[T]:
        """Read before the run has begun, as often as it takes; the custom status says who is waited for.

        Raises:
            Aborted: somebody ended the run.
            Transient: there was no answer for all of twenty minutes.
        """
        return (yield from persist(self._ctx, attempt, lambda: self.silence(what)))

    def silence(self, what: str) -> Steps[None]:
        """Wait a little for whom did not answer; raises as `rest` does."""
        show_status(self._ctx, {"phase": "Admission", "waitingFor": f"{what} to answer"})
        yield from self.rest(INSISTS_EVERY)

    def _first(self, span: timedelta, *others: Ear) -> Steps[Decision | None]:
        """The first decision within a span; None as well when there was a word to others."""
        until = now(self._ctx) + span
        while True:
            yield from self._ear.listen(min(until - now(self._ctx), PROLONG_EVERY), *others)
            yield from self.keep()
            if heard := self._ear.take():
                return Decision.model_validate({**heard, "at": now(self._ctx)})
            if now(self._ctx) >= until or any(other.heard for other in others):
                return None
