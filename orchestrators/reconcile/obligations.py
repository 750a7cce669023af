"""What the timer sees to for what is owed: cleanups that nobody does any more, orphans, and reminders."""

from datetime import timedelta

from durabletask import task

from orchestrators.durable.cloud_events import later
from orchestrators.durable.steps import Steps, ask_entity, call, now
from shared.messages import VaultRef
from shared.operations.contract import (
    READ_HOLDERS,
    READ_RUNS,
    START_CLEANUP,
    START_RUN,
    Publish,
    ReadHolders,
    ReadRuns,
    StartCleanup,
    StartRun,
)
from shared.operations.durable_names import OBLIGATIONS
from shared.operations.obligations import Obligation, Tried, cleanup_run, is_its_turn
from shared.plans.contract import BookRead
from shared.plans.machines import known_by_name, lease_keys_in
from shared.plans.plan import PlanDocument
from shared.recovery.operation import Operation
from shared.request_ids import run_id
from shared.site_recovery.contract import READ_ITEMS, ReadItems
from shared.site_recovery.views import ItemView
from shared.sites.site import SiteDocument

TIMER = "timer"
REMIND_EVERY = timedelta(days=1)


def clean_up_owed(ctx: task.OrchestrationContext, seen: BookRead) -> Steps[list[str]]:
    """Start the cleanup of each drill whose own run cannot do it any more, and again while something is left.

    Not only once it is late: a run that is dead will not clean up by itself, so there is nothing to wait for.
    """
    owed = [one for one in _owed(seen) if one.kind == "cleanup"]
    if not owed:
        return []
    ask = ReadRuns(ids=tuple({run for one in owed for run in (one.owner, one.tried_by) if run}))
    ended = set((yield from call(ctx, READ_RUNS, ask)).ended)
    started = []
    for one in owed:
        if {one.owner, one.tried_by or one.owner} <= ended and is_its_turn(one, now(ctx)):
            started.append((yield from _clean_up(ctx, one)))  # noqa: PERF401 - a comprehension cannot yield
    return started


def _owed(seen: BookRead) -> list[Obligation]:
    return [Obligation.model_validate(one) for one in seen.obligations]


def _clean_up(ctx: task.OrchestrationContext, owed: Obligation) -> Steps[str]:
    run = cleanup_run(owed)
    note = Tried(kind="cleanup", run=run, at=now(ctx)).model_dump(mode="json")
    yield from call(ctx, START_CLEANUP, StartCleanup(id=run, plan=owed.plan))
    yield from ask_entity(ctx, OBLIGATIONS, owed.plan, "tried", note)
    return run


def remind(ctx: task.OrchestrationContext, seen: BookRead) -> Steps[list[str]]:
    """Tell once a day of each obligation that is late; an event is no run that was started."""
    for one in _owed(seen):
        if one.due > now(ctx):
            continue
        day = (now(ctx) - one.due) // REMIND_EVERY
        shown = one.model_dump(mode="json", by_alias=True, include={"kind", "plan", "owner", "due", "vms", "leftovers"})
        event = Publish(
            id=f"{one.id}:{one.owner}:late:{day}",
            type="HciSiteRecovery.Obligation.Late",
            subject=f"plans/{one.plan}",
            at=now(ctx),
            data=shown,
        )
        yield from call(ctx, START_RUN, later(event))
    return []


def clean_up_orphans(ctx: task.OrchestrationContext, seen: BookRead) -> Steps[list[str]]:
    """Where a site says so: start the cleanup of test failovers that no run of this app knows of."""
    started = []
    ours = {vm.lower() for one in _owed(seen) if one.kind == "cleanup" for vm in one.vms}
    for entry in seen.sites:
        site = SiteDocument.model_validate(entry.document)
        if site.orphans == "clean":
            found = yield from _orphans(ctx, site, ours)
            if found:
                started.append((yield from _clean_orphans(ctx, entry.name, site, found)))
    return started


def _orphans(ctx: task.OrchestrationContext, site: SiteDocument, ours: set[str]) -> Steps[list[ItemView]]:
    """The site's own; of two of one name none, because a plan could not tell them apart."""
    vault = VaultRef.from_id(site.vault)
    items = known_by_name(site, (yield from call(ctx, READ_ITEMS, ReadItems(vault=vault))).items)
    pending = [one for one in items if "TestFailoverCleanup" in one.allowed_operations and one.vm.lower() not in ours]
    old = [v for v in pending if v.last_test_failover and now(ctx) - v.last_test_failover >= site.orphan_after]
    if not old:
        return []
    ask = ReadHolders(keys={vault.key: lease_keys_in(site, old)})
    return [] if (yield from call(ctx, READ_HOLDERS, ask)).runs else old


def _clean_orphans(ctx: task.OrchestrationContext, name: str, site: SiteDocument, found: list[ItemView]) -> Steps[str]:
    plan = PlanDocument.model_validate({"site": name, "items": [{"vm": view.vm} for view in found]})
    slot = now(ctx).replace(minute=0, second=0, microsecond=0).isoformat()
    operation = Operation(
        id=run_id("cleanup", f"orphans-{name}", ":".join([slot, *(view.id for view in found)])),
        kind="cleanup",
        plan=f"orphans-{name}"[:42],
        requested_by=TIMER,
        digest=plan.digest,
        document=plan,
        sites={name: site},
    )
    ask = StartRun(id=operation.id, orchestrator="cleanup", payload=operation.model_dump(mode="json"))
    yield from call(ctx, START_RUN, ask)
    return operation.id
