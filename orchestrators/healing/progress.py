"""The progress of a repair while it runs: what it does now, where its time went, and what it found out."""

from datetime import datetime
from typing import Any, Literal

from orchestrators.durable.steps import Context, now, show_status
from shared.healing.classifier import Cause
from shared.healing.proof import Rung, highest_rung
from shared.healing.repair import RepairFacts, RepairPhase, RepairProgress, phase_timeline
from shared.operations.run_timeline import PhaseSpan, RunTimeline
from shared.recovery.outcome import Outcome
from shared.recovery.timeline import bare_timeline


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

    def spans_until(self, run: str, outcome: Outcome) -> RunTimeline | None:
        """The same for the spans of the repair, once it has ended."""
        timeline = bare_timeline(run, f"nodes/{self.progress.node}", outcome)
        if timeline is None:
            return None
        ends = [*(phase.began for phase in self.progress.phases[1:]), timeline.ended]
        phases = [
            PhaseSpan(name=phase.name, began=phase.began, ended=end)
            for phase, end in zip(self.progress.phases, ends, strict=True)
        ]
        return timeline.model_copy(update={"phases": tuple(phases)})

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
