"""The progress of a repair while it runs: what it does now, where its time went, and what it found out."""

from datetime import datetime
from typing import Any, Literal

from orchestrators.durable.steps import Context, now, show_status
from shared.healing.classifier import Cause
from shared.healing.proof import Rung, highest_rung
from shared.healing.repair import RepairFacts, RepairPhase, RepairProgress, phase_timeline


class ProgressTracker:
    """Kept while a repair runs; shows itself in the run's custom status."""

    def __init__(self, ctx: Context, progress: RepairProgress) -> None:
        self._ctx = ctx
        self.progress = progress

    @property
    def facts(self) -> RepairFacts:
        """What was found out so far."""
        return self.progress.facts

    def enter_phase(self, phase: str, waiting_for: str) -> None:
        """Show what is done now, and what is being waited for."""
        phases = self.progress.phases
        if not phases or phases[-1].name != phase:
            phases = (*phases, RepairPhase(name=phase, began=now(self._ctx)))
            self.progress = self.progress.model_copy(update={"phases": phases})
        custom_status = {"phase": phase, "waitingFor": waiting_for, "at": now(self._ctx).isoformat()}
        show_status(
            self._ctx, {**custom_status, "rung": self.progress.rung, "timeline": self.timeline_until(now(self._ctx))}
        )

    def timeline_until(self, until: datetime) -> list[dict[str, Any]]:
        """Where the time went."""
        return phase_timeline(self.progress.phases, until)

    def note_facts(self, facts: RepairFacts) -> None:
        """Keep what was found out."""
        self.progress = self.progress.model_copy(update={"facts": self.facts.with_facts(facts)})

    def note_cause(self, cause: Cause) -> None:
        """Keep why the node is not well."""
        self.note_facts(RepairFacts(cause=cause.code, evidence=cause.evidence, remedy=cause.remedy))

    def mark_changed(self) -> None:
        """From here on the cure has changed something: whatever comes of it counts as an attempt."""
        self.progress = self.progress.model_copy(update={"touched": True})

    def mark_cured(self) -> None:
        """The old registration is gone: only what is newer proves the new one."""
        self.progress = self.progress.model_copy(update={"cured_at": now(self._ctx), "since": now(self._ctx)})

    def record_rung(self, ladder: tuple[Rung, ...]) -> None:
        """Note how high the proof is."""
        if rung := highest_rung(ladder):
            self.progress = self.progress.model_copy(update={"rung": rung})

    def enter_stage(self, stage: Literal["point", "cluster"]) -> None:
        """Begin the next stage."""
        self.progress = self.progress.model_copy(update={"stage": stage, "since": now(self._ctx)})
