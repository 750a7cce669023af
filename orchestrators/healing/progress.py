"""A repair's diary: what it does now, where its time went, and what it found out."""

from datetime import datetime
from typing import Any

from durabletask import task

from orchestrators.durable.steps import now, show_status
from shared.healing.proof import Rung, reached
from shared.healing.repair import Phase, Progress, timeline


class Diary:
    """Kept while a repair runs; shows itself in the run's custom status."""

    def __init__(self, ctx: task.OrchestrationContext, progress: Progress) -> None:
        self._ctx = ctx
        self.progress = progress

    def enter(self, phase: str, waiting_for: str) -> None:
        """Say what is done now, and what is being waited for."""
        phases = self.progress.phases
        if not phases or phases[-1].name != phase:
            self._change(phases=(*phases, Phase(name=phase, began=now(self._ctx))))
        shown = {"phase": phase, "waitingFor": waiting_for, "at": now(self._ctx).isoformat()}
        show_status(self._ctx, {**shown, "rung": self.progress.rung, "timeline": self.timeline(now(self._ctx))})

    def timeline(self, until: datetime) -> list[dict[str, Any]]:
        """Where the time went."""
        return timeline(self.progress.phases, until)

    def note(self, **facts: Any) -> None:
        """Keep what was found out; it becomes part of the outcome."""
        self._change(facts={**self.progress.facts, **facts})

    def touch(self) -> None:
        """From here on something was changed."""
        self._change(touched=True)

    def reach(self, ladder: tuple[Rung, ...]) -> None:
        """Note how high the proof is."""
        if rung := reached(ladder):
            self._change(rung=rung)

    def go_to(self, **stage: Any) -> None:
        """Begin the next stage."""
        self._change(since=now(self._ctx), **stage)

    def _change(self, **values: Any) -> None:
        self.progress = self.progress.model_copy(update=values)
