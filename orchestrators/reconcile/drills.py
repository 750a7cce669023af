"""What the timer sees to for drills: those that are due are begun once, and those that are overdue are told."""

from collections.abc import Mapping

from durabletask import task

from orchestrators.durable.cloud_events import later
from orchestrators.durable.steps import Steps, ask_entity, call, now
from shared.operations.contract import (
    READ_HOLDERS,
    READ_OUTCOMES,
    START_RUN,
    Publish,
    ReadHolders,
    ReadOutcomes,
    StartRun,
)
from shared.operations.durable_names import PLAN_HISTORY
from shared.plans.contract import BookRead
from shared.plans.drill_schedule import Occasion, advice, occasion, run_key
from shared.plans.history import Begun, Track
from shared.plans.machines import lease_keys
from shared.plans.plan import PlanDocument
from shared.recovery.operation import Operation
from shared.request_ids import run_id
from shared.sites.site import SiteDocument

TIMER = "timer"


def begin_due(ctx: task.OrchestrationContext, seen: BookRead) -> Steps[list[str]]:
    """Begin each drill that is due, unless its VMs are held: then it is begun later, and not lost."""
    tracks = {one.name: Track.model_validate(one.track) for one in seen.tracks}
    started = []
    for entry in seen.plans:
        plan = PlanDocument.model_validate(entry.document)
        if plan.drill is None:
            continue
        followed = tracks.get(plan.drill.follows) if plan.drill.follows else None
        if found := occasion(plan.drill, entry.declared, now(ctx), followed):
            track = tracks.get(entry.name, Track())
            started += yield from _see_to(ctx, seen, entry.name, plan, (found, track))
    return started


def _see_to(
    ctx: task.OrchestrationContext, seen: BookRead, name: str, plan: PlanDocument, about: tuple[Occasion, Track]
) -> Steps[list[str]]:
    due_now, track = about
    refused = yield from _refused(ctx, name, track) if track.key == due_now.key and not track.closed else _no()
    settings = plan.drill
    what = advice(settings, due_now, track, now(ctx), refused=refused).do if settings else "nothing"
    if what == "overdue":
        yield from _tell_overdue(ctx, name, due_now, track)
    if what != "begin":
        return []
    operation = _operation(seen, name, plan, run_id("drill", name, run_key(due_now, track)))
    if (yield from call(ctx, READ_HOLDERS, _holders_of(operation))).runs:
        return []
    yield from call(ctx, START_RUN, _start(operation))
    begun = Begun(key=due_now.key, run=operation.id, at=now(ctx)).model_dump(mode="json")
    yield from ask_entity(ctx, PLAN_HISTORY, name, "begun", begun)
    return [operation.id]


def _no() -> Steps[bool]:
    yield from ()
    return False


def _refused(ctx: task.OrchestrationContext, name: str, track: Track) -> Steps[bool]:
    """Whether the drill that was begun last did nothing; once it is known to have done something, nobody asks again."""
    state = (yield from call(ctx, READ_OUTCOMES, ReadOutcomes(ids=(track.run,)))).runs[0].state
    if state not in {"refused", "living"}:
        yield from ask_entity(ctx, PLAN_HISTORY, name, "closed", track.run)
    return state == "refused"


def _tell_overdue(ctx: task.OrchestrationContext, name: str, due_now: Occasion, track: Track) -> Steps[None]:
    event = Publish(
        id=f"{name}:{due_now.key}:overdue",
        type="HciSiteRecovery.Drill.Overdue",
        subject=f"plans/{name}",
        at=now(ctx),
        data={"plan": name, "due": due_now.at.isoformat(), "lastTried": track.run},
    )
    yield from call(ctx, START_RUN, later(event))
    yield from ask_entity(ctx, PLAN_HISTORY, name, "told", due_now.key)


def _operation(seen: BookRead, name: str, plan: PlanDocument, run: str) -> Operation:
    sites: Mapping[str, SiteDocument] = {site.name: SiteDocument.model_validate(site.document) for site in seen.sites}
    return Operation(
        id=run,
        kind="drill",
        plan=name,
        requested_by=TIMER,
        digest=plan.digest,
        document=plan,
        sites={site: sites[site] for site in plan.site_names},
    )


def _start(operation: Operation) -> StartRun:
    return StartRun(id=operation.id, orchestrator="drill", payload=operation.model_dump(mode="json"))


def _holders_of(operation: Operation) -> ReadHolders:
    return ReadHolders(keys=lease_keys(operation.document, operation.sites))
