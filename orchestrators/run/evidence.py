"""A run's evidence: opened with the request, written after each tick, sealed at the end. It never fails the run."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from orchestrators.durable.cloud_events import publish_operation_event
from orchestrators.durable.decisions import DecisionInbox
from orchestrators.durable.entity_calls import NotAdmitted
from orchestrators.durable.steps import Context, Steps, call_all, call_entity, now, show_status, sleep, try_once
from orchestrators.durable.versions import release_of
from orchestrators.run.runbook import Runbook
from shared.errors import Refused, SiteRecoveryError
from shared.evidence.chain import Chain, EvidenceEntry
from shared.evidence.contract import (
    NO_STORE,
    SEAL_PACK,
    WRITE_RECORDS,
    PackSealed,
    RecordsWritten,
    SealPack,
    WriteRecords,
)
from shared.obstacle import Obstacle
from shared.operations.durable_names import PLAN_HISTORY
from shared.operations.kinds import PLAN_KINDS
from shared.plans.history import PastRun
from shared.recovery.achieved import achieved_by
from shared.recovery.evidence_entries import entries_of_tick
from shared.recovery.operation import Operation
from shared.recovery.outcome import Outcome
from shared.recovery.pacing import STORE_AWAITED_AT_BEGIN, STORE_AWAITED_FOR
from shared.recovery.run import Run
from shared.recovery.status import custom_status_of

EVIDENCE_REQUIRED = "the plan requires evidence"
STORE_REMOVED = "the app has no evidence store any more (EVIDENCE_STORE)"


def _request_entries(operation: Operation, release: str, at: datetime) -> list[EvidenceEntry]:
    request_body = operation.model_dump(mode="json", exclude={"document", "sites", "run"}) | {"release": release}
    document = operation.document.model_dump(mode="json", by_alias=True)
    sites = {name: site.model_dump(mode="json", by_alias=True) for name, site in operation.sites.items()}
    plan_body = {"digest": operation.digest, "document": document, "sites": sites}
    return [EvidenceEntry.of("request", at, request_body), EvidenceEntry.of("plan", at, plan_body)]


def open_pack(ctx: Context, operation: Operation, runbook: Runbook, run: Run) -> Steps[Run]:
    """Record what was asked for, the plan as it was, who agreed, what was decided by now, and what was there."""
    at = now(ctx)
    entries = _request_entries(operation, release_of(ctx), at)
    entries += [EvidenceEntry.of("approval", at, one.model_dump(mode="json")) for one in run.people.approvals]
    entries += [EvidenceEntry.of("decision", one.at, one.model_dump(mode="json")) for one in run.people.decisions]
    if runbook.first_inventory:
        entries.append(_inventory_entry(ctx, "before", runbook.first_inventory))
    first = run.with_chain(run.chain.model_copy(update={"pending": ()}))
    return (yield from append_entries(ctx, first, (*entries, *run.chain.pending)))


def require_pack(ctx: Context, operation: Operation, run: Run, inbox: DecisionInbox) -> Steps[Run]:
    """The run with its pack open, where its plan requires evidence; a store that does not answer is waited for.

    A cleanup is owed, with evidence or without.

    Raises:
        NotAdmitted: nothing can be written; the leases are kept.
        Aborted: somebody ended the run meanwhile.
    """
    if operation.document.evidence == "wanted" or operation.kind not in PLAN_KINDS:
        return run
    deadline = now(ctx) + STORE_AWAITED_AT_BEGIN
    while run.chain.pending and run.chain.not_before and now(ctx) < deadline:
        show_status(ctx, custom_status_of(run, now(ctx), run.chain.wait))
        yield from inbox.wait_unless_aborted(run.chain.not_before - now(ctx))
        run = yield from append_entries(ctx, run, ())
    if not run.chain.kept:
        raise NotAdmitted([Obstacle(code="evidence-store-missing", detail=f"{EVIDENCE_REQUIRED}, and {NO_STORE}")])
    if run.chain.pending:
        detail = f"{EVIDENCE_REQUIRED}, and the evidence store takes nothing: {run.chain.trouble}"
        raise NotAdmitted([Obstacle(code="evidence-store-unavailable", detail=detail, passing=True)])
    return run


def publish_store_state(ctx: Context, operation: Operation, run: Run) -> Steps[Run]:
    """Publish once that the store takes nothing of the run any more, and once that all is written again."""
    chain = run.chain
    if chain.published_since == chain.behind_since:
        return run
    since = chain.behind_since or chain.published_since
    data: dict[str, Any] = {"complete": chain.behind_since is None, "records": chain.count + len(chain.pending)}
    data |= {"unwritten": len(chain.pending), "detail": chain.trouble, "since": since.isoformat() if since else None}
    key = f"{'written' if chain.behind_since is None else 'behind'}:{data['since']}"
    yield from publish_operation_event(ctx, operation, "evidence", data, key=key)
    return run.with_chain(chain.model_copy(update={"published_since": chain.behind_since}))


def _inventory_entry(ctx: Context, moment: str, file: str) -> EvidenceEntry:
    return EvidenceEntry(kind="inventory", at=now(ctx), body={"moment": moment}, attach=(file,))


def record_tick(ctx: Context, before: Run, after: Run) -> Steps[Run]:
    """Record what one tick changed."""
    return (yield from append_entries(ctx, after, entries_of_tick(before, after, now(ctx))))


def append_entries(ctx: Context, run: Run, new_entries: Iterable[EvidenceEntry]) -> Steps[Run]:
    """Append to the pack; what cannot be written now is kept, and tried again after a pause: nothing waits for it."""
    chain, waiting = run.chain, (*run.chain.pending, *new_entries)
    if not waiting or not chain.kept:
        return run
    if chain.not_before and now(ctx) < chain.not_before:
        return run.with_chain(chain.model_copy(update={"pending": waiting}))
    request = WriteRecords(pack=run.operation, count=chain.count, head=chain.head, entries=waiting)
    answer = yield from try_once(ctx, WRITE_RECORDS, request)
    if not isinstance(answer, RecordsWritten):
        return run.with_chain(chain.fall_behind(waiting, now(ctx), str(answer)))
    if answer.kept:
        return run.with_chain(chain.catch_up(answer.count, answer.head, now(ctx)))
    if chain.count:
        return run.with_chain(chain.fall_behind(waiting, now(ctx), STORE_REMOVED))
    return run.with_chain(Chain(kept=False))


def seal_pack(ctx: Context, operation: Operation, runbook: Runbook, run: Run, outcome: Outcome) -> Steps[Outcome]:
    """Record how the run ended and close the pack; the outcome then names the digests to hold it against."""
    if not run.chain.kept:
        return outcome
    last_entries = [EvidenceEntry.of("outcome", now(ctx), _outcome_body(operation, outcome))]
    if runbook.last_inventory and run.rehearsal:  # a run that never began has not looked
        last_entries = [_inventory_entry(ctx, "after", runbook.last_inventory), *last_entries]
    run = yield from _append_patiently(ctx, run, last_entries)
    if run.chain.pending:
        evidence: dict[str, Any] = {
            "complete": False,
            "detail": f"{len(run.chain.pending)} records could not be written: {run.chain.trouble}",
        }
    else:
        evidence = yield from _write_seal(ctx, operation, run, outcome)
    return outcome.with_facts({"evidence": evidence})


def _outcome_body(operation: Operation, outcome: Outcome) -> dict[str, Any]:
    """How the run ended, with what it achieved as its report shows it."""
    achieved = achieved_by(operation, outcome.items, outcome.began) if outcome.began else None
    body = outcome.model_dump(mode="json")
    return body | {"achieved": achieved.model_dump(mode="json", by_alias=True)} if achieved else body


def _append_patiently(ctx: Context, run: Run, last_entries: Sequence[EvidenceEntry]) -> Steps[Run]:
    """Append the last entries; as the run holds nothing any more, a store that is away is waited for."""
    deadline = now(ctx) + STORE_AWAITED_FOR
    run = yield from append_entries(ctx, run, last_entries)
    while run.chain.pending and run.chain.not_before and now(ctx) < deadline:
        show_status(ctx, custom_status_of(run, now(ctx)))
        yield from sleep(ctx, max(run.chain.not_before - now(ctx), timedelta(0)))
        run = yield from append_entries(ctx, run, ())
    return run


def _write_seal(ctx: Context, operation: Operation, run: Run, outcome: Outcome) -> Steps[dict[str, Any]]:
    facts = {"at": now(ctx).isoformat(), "kind": outcome.kind, "state": outcome.state, "planDigest": operation.digest}
    request = SealPack(pack=operation.id, head=run.chain.head, records=run.chain.count, facts=facts)
    answer = (yield from call_all(ctx, SEAL_PACK, [request]))[0]
    if isinstance(answer, SiteRecoveryError) and not _is_broken(answer):  # the key, or the store: then it fails again
        unsigned = request.model_copy(update={"unsigned": str(answer)})
        answer = (yield from call_all(ctx, SEAL_PACK, [unsigned]))[0]
    if not isinstance(answer, PackSealed) or not answer.kept:
        return {"complete": False, "detail": str(answer) if not isinstance(answer, PackSealed) else STORE_REMOVED}
    return {"complete": True, **answer.model_dump(exclude={"kept"}, exclude_defaults=True)}


def _is_broken(failure: SiteRecoveryError) -> bool:
    """Whether somebody has written into the pack: nothing seals it then."""
    return isinstance(failure, Refused) and failure.code == "evidence-broken"


def remember_run(ctx: Context, operation: Operation, runbook: Runbook, run: Run, outcome: Outcome) -> Steps[None]:
    """Keep beyond the run's own history how it ended, of which plan, and how long it took."""
    if not runbook.remembered:
        return
    past_run = _past_run_of(operation, runbook, run, outcome, now(ctx))
    yield from call_entity(ctx, PLAN_HISTORY, operation.plan, "record_run", past_run.model_dump(mode="json"))


def _past_run_of(operation: Operation, runbook: Runbook, run: Run, outcome: Outcome, ended: datetime) -> PastRun:
    achievement = achieved_by(operation, run.items, run.began)
    is_whole = len(run.items) == len(operation.document.items)
    return PastRun(
        run=operation.id,
        kind=operation.kind,
        state=outcome.state,
        began=run.began,
        ended=ended,
        took=achievement.rto if achievement and is_whole and outcome.state == "succeeded" else None,
        rpo=achievement.rpo if achievement and is_whole and outcome.state == "succeeded" else None,
        rto_target=achievement.rto_target if achievement else None,
        rpo_target=achievement.rpo_target if achievement else None,
        digest=operation.digest,
        preview_kind=operation.preview_kind,
        whole=is_whole and not run.people.skipped_vms,
        grounds=runbook.grounds(operation, run) if runbook.grounds else {},
    )
