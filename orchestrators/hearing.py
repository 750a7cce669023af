"""Listening to what persons say about a run while it goes on."""

from datetime import timedelta
from typing import Any

from durabletask import task

from orchestrators.steps import Steps, hear

DECISION = "decide"


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
