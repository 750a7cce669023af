"""A run's evidence: opened with the request, written after each tick, sealed at the end. It never fails the run."""

from collections.abc import Iterable, Sequence
from typing import Any

from durabletask import task

from orchestrators.durable.steps import Steps, call_all, call_entity, now
from shared.evidence.chain import EvidenceEntry
from shared.evidence.contract import SEAL_PACK, WRITE_RECORDS, PackSealed, RecordsWritten, SealPack, WriteRecords
from shared.operations.durable_names import PLAN_HISTORY
from shared.operations.kinds import PLAN_KINDS
from shared.plans.history import PastRun, grounds_of
from shared.recovery.evidence_entries import entries_of_tick
from shared.recovery.operation import Operation
from shared.recovery.outcome import Outcome
from shared.recovery.results import measure_achieved
from shared.recovery.run import Run

BEFORE, AFTER = "inventory-before.json", "inventory-after.json"


def open_pack(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Steps[Run]:
    """Record what was asked for, the plan as it was, who agreed, what was decided by now, and what was there."""
    at = now(ctx)
    request_body = operation.model_dump(mode="json", exclude={"document", "sites", "run"})
    plan = {"digest": operation.digest, "document": operation.document.model_dump(mode="json", by_alias=True)}
    sites = {name: site.model_dump(mode="json", by_alias=True) for name, site in operation.sites.items()}
    pack_entries = [
        EvidenceEntry(kind="request", at=at, body=request_body),
        EvidenceEntry(kind="plan", at=at, body=plan | {"sites": sites}),
    ]
    pack_entries += [EvidenceEntry(kind="approval", at=at, body=one.model_dump(mode="json")) for one in run.approvals]
    pack_entries += [
        EvidenceEntry(kind="decision", at=one.at, body=one.model_dump(mode="json")) for one in run.decisions
    ]
    if operation.kind == "drill":
        pack_entries.append(EvidenceEntry(kind="inventory", at=at, body={"moment": "before"}, attach=(BEFORE,)))
    first = run.model_copy(update={"chain": run.chain.model_copy(update={"pending": ()})})
    return (yield from append_entries(ctx, first, (*pack_entries, *run.chain.pending)))


def record_tick(ctx: task.OrchestrationContext, before: Run, after: Run) -> Steps[Run]:
    """Record what one tick changed."""
    return (yield from append_entries(ctx, after, entries_of_tick(before, after, now(ctx))))


def append_entries(ctx: task.OrchestrationContext, run: Run, new_entries: Iterable[EvidenceEntry]) -> Steps[Run]:
    """Append to the pack; what cannot be written now is kept for the next time."""
    waiting = (*run.chain.pending, *new_entries)
    if not waiting or not run.chain.kept:
        return run
    request = WriteRecords(pack=run.operation, count=run.chain.count, head=run.chain.head, entries=waiting)
    answer = (yield from call_all(ctx, WRITE_RECORDS, [request]))[0]
    if isinstance(answer, RecordsWritten):
        change: dict[str, Any] = {"count": answer.count, "head": answer.head, "kept": answer.kept, "pending": ()}
    else:
        change = {"pending": waiting}
    return run.model_copy(update={"chain": run.chain.model_copy(update=change)})


def seal_pack(ctx: task.OrchestrationContext, operation: Operation, run: Run, outcome: Outcome) -> Steps[Outcome]:
    """Record how the run ended and close the pack; the outcome then names the digests to hold it against."""
    if not run.chain.kept:
        return outcome
    last_entries = [*_inventory_entries(ctx, operation, run), _outcome_entry(ctx, outcome)]
    run = yield from append_entries(ctx, run, last_entries)
    if run.chain.pending:
        return _with_evidence(
            outcome, {"complete": False, "detail": f"{len(run.chain.pending)} records could not be written"}
        )
    facts = {"at": now(ctx).isoformat(), "kind": outcome.kind, "state": outcome.state, "planDigest": operation.digest}
    request = SealPack(pack=operation.id, head=run.chain.head, facts=facts)
    answer = (yield from call_all(ctx, SEAL_PACK, [request]))[0]
    if not isinstance(answer, PackSealed):
        return _with_evidence(outcome, {"complete": False, "detail": str(answer)})
    return _with_evidence(outcome, {"complete": True, **answer.model_dump(exclude={"kept"})})


def remember_run(ctx: task.OrchestrationContext, operation: Operation, run: Run, outcome: Outcome) -> Steps[None]:
    """Keep beyond the run's own history how it ended, of which plan, and how long it took."""
    if operation.kind not in PLAN_KINDS:
        return
    achievement = measure_achieved(run.items, run.began, operation.document.targets)
    past_run = PastRun(
        run=operation.id,
        kind=operation.kind,
        state=outcome.state,
        began=run.began,
        ended=now(ctx),
        took=achievement.rto if achievement and outcome.state == "succeeded" else None,
        digest=operation.digest,
        preview_kind=operation.preview_kind,
        whole=not run.skipped,
        grounds=grounds_of(operation.document, operation.sites, run.items) if operation.kind == "drill" else {},
    )
    yield from call_entity(ctx, PLAN_HISTORY, operation.plan, "record_run", past_run.model_dump(mode="json"))


def _inventory_entries(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Sequence[EvidenceEntry]:
    """What was there at the end; one that never began has not looked."""
    if operation.kind not in {"drill", "cleanup"} or run.rehearsal is None:
        return ()
    return (EvidenceEntry(kind="inventory", at=now(ctx), body={"moment": "after"}, attach=(AFTER,)),)


def _outcome_entry(ctx: task.OrchestrationContext, outcome: Outcome) -> EvidenceEntry:
    return EvidenceEntry(kind="outcome", at=now(ctx), body=outcome.model_dump(mode="json"))


def _with_evidence(outcome: Outcome, evidence: dict[str, Any]) -> Outcome:
    return outcome.model_copy(update={"facts": {**outcome.facts, "evidence": evidence}})
