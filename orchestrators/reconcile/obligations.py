"""What the timer does for what is owed: cleanups whose run is dead, orphaned test failovers, and reminders."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from orchestrators.durable.cloud_events import delivery_run_of
from orchestrators.durable.entity_calls import note_on_obligation
from orchestrators.durable.steps import Context, Steps, call, now
from orchestrators.durable.timer_look import (
    TimerLook,
    attempt_part,
    describe_obligation,
    read_vault_items,
    require_readable,
)
from shared.backoff import grow_pause
from shared.messages import VaultRef
from shared.operations.contract import (
    READ_ENDED_RUNS,
    READ_HOLDERS,
    START_CLEANUP,
    START_RUN,
    PublishEvent,
    ReadEndedRuns,
    ReadHolders,
    StartCleanup,
    StartRun,
)
from shared.operations.obligation_table import Attempted
from shared.operations.obligations import Obligation, cleanup_run_id
from shared.operations.pacing import ATTEMPT_SOONEST, CLEANUP_LATEST, REMIND_EVERY
from shared.plans.contract import DeclaredDocument
from shared.plans.machines import site_lease_keys, unambiguous_items
from shared.recovery.orphans import orphan_cleanup
from shared.site_recovery.views import ItemView
from shared.sites.site import SiteDocument


def start_owed_cleanups(ctx: Context, look: TimerLook) -> Steps[list[str]]:
    """Start the cleanup of each drill whose own run cannot do it any more, and again while something is left.

    Not only once it is late: a run that is dead will not clean up by itself, so there is nothing to wait for.
    """
    started = []
    for owed in look.owed_of_kind("cleanup"):
        started += yield from attempt_part(ctx, look, describe_obligation(owed), _start_owed_cleanup(ctx, look, owed))
    return started


def _start_owed_cleanup(ctx: Context, look: TimerLook, owed: Mapping[str, Any]) -> Steps[list[str]]:
    obligation = Obligation.model_validate(owed)
    if obligation.is_found or not _is_cleanup_due(obligation, now(ctx)) or look.is_owed_work_held(obligation, now(ctx)):
        return []
    runs = {run for run in (obligation.owner, obligation.last_attempt_by) if run}
    if not runs <= set((yield from call(ctx, READ_ENDED_RUNS, ReadEndedRuns(ids=tuple(sorted(runs))))).ended):
        return []
    run = cleanup_run_id(obligation)
    yield from call(ctx, START_CLEANUP, StartCleanup(id=run, table=obligation.table, obligation=obligation.id))
    attempt = Attempted(id=obligation.id, run=run, at=now(ctx))
    yield from note_on_obligation(ctx, obligation.table, "note_attempt", attempt)
    return [run]


def _is_cleanup_due(owed: Obligation, at: datetime) -> bool:
    """Whether to clean up again: at each look of the timer at first, then less and less, in the end once a day."""
    pause = grow_pause(ATTEMPT_SOONEST, owed.attempts - 3, CLEANUP_LATEST)
    return owed.last_attempt_at is None or at - owed.last_attempt_at >= pause


def publish_late_obligations(ctx: Context, look: TimerLook) -> Steps[list[str]]:
    """Publish once a day each obligation that is late; an event is no run that was started."""
    for owed in look.documents.obligations:
        yield from attempt_part(ctx, look, describe_obligation(owed), _publish_if_late(ctx, owed))
    return []


def _publish_if_late(ctx: Context, owed: Mapping[str, Any]) -> Steps[list[str]]:
    obligation = Obligation.model_validate(owed)
    if obligation.due <= now(ctx):
        yield from call(ctx, START_RUN, delivery_run_of(_late_event(obligation, now(ctx))))
    return []


def _late_event(obligation: Obligation, at: datetime) -> PublishEvent:
    day = (at - obligation.due) // REMIND_EVERY
    shown = {"kind", "plan", "owner", "due", "vms", "leftovers"}
    return PublishEvent(
        id=f"{obligation.id}:{obligation.opened.isoformat()}:late:{day}",
        type="HciSiteRecovery.Obligation.Late",
        subject=f"plans/{obligation.plan}",
        at=at,
        data={"id": obligation.id, **obligation.model_dump(mode="json", by_alias=True, include=shown)},
    )


def start_orphan_cleanups(ctx: Context, look: TimerLook) -> Steps[list[str]]:
    """Where a site says so: start the cleanup of test failovers that no run of this app began."""
    started = []
    for entry in look.documents.sites:
        started += yield from attempt_part(ctx, look, f"site {entry.name}", _clean_orphans_of(ctx, look, entry))
    return started


def _clean_orphans_of(ctx: Context, look: TimerLook, entry: DeclaredDocument) -> Steps[list[str]]:
    """One site; what cannot be read of what is owed might be a drill of our own, so that nothing is cleaned up then."""
    site = SiteDocument.model_validate(entry.document)
    if site.orphans != "clean" or look.is_held((entry.name,), now(ctx)):
        return []
    require_readable(look.documents)
    owed = map(Obligation.model_validate, look.owed_of_kind("cleanup"))
    own_drills = {vm.lower() for obligation in owed if not obligation.is_found for vm in obligation.vms}
    orphans = yield from _find_orphans(ctx, look, site, own_drills)
    return [(yield from _start_orphan_cleanup(ctx, entry.name, site, orphans))] if orphans else []


def _find_orphans(
    ctx: Context, look: TimerLook, site: SiteDocument, vms_of_own_drills: set[str]
) -> Steps[list[ItemView]]:
    """The site's own; of two of one name none, because a plan could not tell them apart."""
    vault = VaultRef.from_id(site.vault)
    items = unambiguous_items(site, (yield from read_vault_items(ctx, look, vault)))
    pending = [
        item
        for item in items
        if "TestFailoverCleanup" in item.allowed_operations and item.vm.lower() not in vms_of_own_drills
    ]
    old = [v for v in pending if v.last_test_failover and now(ctx) - v.last_test_failover >= site.orphan_after]
    if not old:
        return []
    request = ReadHolders(keys={vault.key: site_lease_keys(site, old)})
    return [] if (yield from call(ctx, READ_HOLDERS, request)).runs else old


def _start_orphan_cleanup(ctx: Context, name: str, site: SiteDocument, orphans: list[ItemView]) -> Steps[str]:
    slot = now(ctx).replace(minute=0, second=0, microsecond=0).isoformat()
    operation = orphan_cleanup(name, site, [view.vm for view in orphans], slot)
    request = StartRun(id=operation.id, orchestrator="cleanup", payload=operation.model_dump(mode="json"))
    yield from call(ctx, START_RUN, request)
    return operation.id
