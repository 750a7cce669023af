"""A repair's diary: what it does now, where its time went, and what it found out."""

from datetime import datetime
from typing import Any

from durabletask import task

from orchestrators.durable.steps import now, show_status
from shared.healing.proof import Rung, highest_rung
from shared.healing.repair import RepairPhase, RepairProgress, phase_timeline


class ProgressTracker:
    """Kept while a repair runs; shows itself in the run's custom status."""

    def __init__(self, ctx: task.OrchestrationContext, progress: RepairProgress) -> None:
        self._ctx = ctx
        self.progress = progress

    def enter_phase(self, phase: str, waiting_for: str) -> None:
        """Say what is done now, and what is being waited for."""
        phases = self.progress.phases
        if not phases or phases[-1].name != phase:
            self._update_progress(phases=(*phases, RepairPhase(name=phase, began=now(self._ctx))))
        custom_status = {"phase": phase, "waitingFor": waiting_for, "at": now(self._ctx).isoformat()}
        show_status(
            self._ctx, {**custom_status, "rung": self.progress.rung, "timeline": self.timeline_until(now(self._ctx))}
        )

    def timeline_until(self, until: datetime) -> list[dict[str, Any]]:
        """Where the time went."""
        return phase_timeline(self.progress.phases, until)

    def note_facts(self, **facts: Any) -> None:
        """Keep what was found out; it becomes part of the outcome."""
        self._update_progress(facts={**self.progress.facts, **facts})

    def mark_changed(self) -> None:
        """From here on something was changed."""
        self._update_progress(touched=True)

    def record_rung(self, ladder: tuple[Rung, ...]) -> None:
        """Note how high the proof is."""
        if rung := highest_rung(ladder):
            self._update_progress(rung=rung)

    def enter_stage(self, **stage: Any) -> None:
        """Begin the next stage."""
        self._update_progress(since=now(self._ctx), **stage)

    def _update_progress(self, **values: Any) -> None:
        self.progress = self.progress.model_copy(update=values)
