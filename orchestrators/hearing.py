"""Listening to what persons decide about a run while it goes on."""

from datetime import timedelta

from durabletask import task

from orchestrators.steps import Steps, hear, now
from shared.runs import Decision

DECISION = "decide"


class Ear:
    """Hears one decision after the other; what is said while nobody listens is not lost."""

    def __init__(self, ctx: task.OrchestrationContext) -> None:
        self._ctx = ctx
        self._next = ctx.wait_for_external_event(DECISION)

    def listen(self, span: timedelta) -> Steps[Decision | None]:
        """Wait for a decision, but no longer than this; without a span only for what was said already."""
        heard = (yield from hear(self._ctx, self._next, span)) if span else None
        if heard is None and self._next.is_complete:
            heard = self._next.get_result()
        if heard is None:
            return None
        self._next = self._ctx.wait_for_external_event(DECISION)
        return Decision.model_validate({**heard, "at": now(self._ctx)})
