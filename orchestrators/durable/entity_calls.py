"""What a run holds: taken all or none, prolonged while it goes on, and given back."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from orchestrators.durable.steps import Context, Steps, call, call_entity, now, sleep
from shared.messages import Message, VaultRef
from shared.obstacle import Obstacle
from shared.operations.contract import READ_ENDED_RUNS, ReadEndedRuns
from shared.operations.durable_names import LEASES, OBLIGATIONS, REQUEST_BUDGET
from shared.operations.leases import Claim, ClaimVerdict, Lease
from shared.operations.obligations import Narrowed, Obligation, ObligationKind
from shared.operations.pacing import LEASE_TERM
from shared.plans.machines import leased_vm_of
from shared.recovery import budgeting
from shared.recovery.operation import Operation
from shared.recovery.run import Run
from shared.recovery.scheduler import Tick
from shared.site_recovery.request_budget import CallRequest, Calls, Grant
from shared.sites.lost_nodes import LOST_REMEDY


def within_budget(ctx: Context, run: Run, tick: Tick) -> Steps[tuple[Run, Tick]]:
    """The tick as far as each subscription grants it: starts beyond that wait, reads are waited for here."""
    ready = now(ctx)
    for subscription, call_request in budgeting.build_call_requests(run, tick, now(ctx)).items():
        answer = yield from call_entity(ctx, REQUEST_BUDGET, subscription, "take", call_request.model_dump(mode="json"))
        grant = Grant.model_validate(answer)
        run = budgeting.with_grant(run, subscription, call_request, grant)
        ready = max(ready, grant.reads_from)
    if ready > now(ctx):
        yield from sleep(ctx, ready - now(ctx))
    return budgeting.limit_starts(run, tick, now(ctx))


def wait_for_run_budget(ctx: Context, run: Run, calls_by_subscription: Mapping[str, Calls]) -> Steps[Run]:
    """Wait until all of these may be sent, by subscription: for what a run cannot do in parts."""
    ready = now(ctx)
    for subscription, calls in sorted(calls_by_subscription.items()):
        call_request = budgeting.call_request_for(run, subscription, calls, now(ctx)).model_dump(mode="json")
        grant = Grant.model_validate((yield from call_entity(ctx, REQUEST_BUDGET, subscription, "take", call_request)))
        run = budgeting.with_calls_granted(run, subscription, calls)
        ready = max(ready, grant.reads_from, grant.writes_from)
    if ready > now(ctx):
        yield from sleep(ctx, ready - now(ctx))
    return run


def wait_for_budget(ctx: Context, subscription: str, calls: Calls) -> Steps[None]:
    """Wait until these requests may be sent: for runs that have nothing else to do meanwhile."""
    if not calls.reads and not calls.writes:
        return
    call_request = CallRequest(now=now(ctx), reads=calls.reads, writes=calls.writes).model_dump(mode="json")
    grant = Grant.model_validate(
        (yield from call_entity(ctx, REQUEST_BUDGET, subscription.lower(), "take", call_request))
    )
    ready = max(grant.reads_from, grant.writes_from)
    if ready > now(ctx):
        yield from sleep(ctx, ready - now(ctx))


class NotAdmitted(Exception):
    """The run may not begin.

    Attributes:
        obstacles: Each thing in the way.
    """

    def __init__(self, obstacles: Sequence[Obstacle]) -> None:
        super().__init__("; ".join(obstacle.detail for obstacle in obstacles))
        self.obstacles = tuple(obstacles)


def claim_keys(ctx: Context, table: str, owner: str, keys: tuple[str, ...]) -> Steps[None]:
    """Lease these things of one table, all or none.

    Raises:
        NotAdmitted: who holds what of them.
        Transient: whether those who hold them still live could not be seen.
    """
    verdict = yield from _claim_past_dead_holders(ctx, table, owner, keys)
    if verdict.granted:
        return
    obstacles = []
    for holder, held_keys in verdict.holders.items():
        vms = [leased_vm_of(key) for key in held_keys]
        detail = f"{', '.join(vms)}: held by {holder}"
        obstacles.append(Obstacle(vm=vms[0], code="held", detail=detail, holder=holder))
    raise NotAdmitted(obstacles)


def _claim_past_dead_holders(ctx: Context, table: str, owner: str, keys: tuple[str, ...]) -> Steps[ClaimVerdict]:
    """Claim; where somebody is in the way, see whether they still live, and claim once more."""
    request = Claim(owner=owner, keys=keys, now=now(ctx), until=now(ctx) + LEASE_TERM)
    verdict = ClaimVerdict.model_validate(
        (yield from call_entity(ctx, LEASES, table, "claim", request.model_dump(mode="json")))
    )
    if verdict.granted:
        return verdict
    runs = yield from call(ctx, READ_ENDED_RUNS, ReadEndedRuns(ids=tuple(verdict.holders)))
    if not runs.ended:
        return verdict
    second_request = request.model_copy(update={"ended": runs.ended}).model_dump(mode="json")
    return ClaimVerdict.model_validate((yield from call_entity(ctx, LEASES, table, "claim", second_request)))


def release_leases(ctx: Context, owner: str, vaults: Sequence[VaultRef]) -> Steps[None]:
    """Release what the run holds in these vaults."""
    for vault in vaults:
        yield from call_entity(ctx, LEASES, vault.key, "release", owner)


def prolong_leases(ctx: Context, owner: str, tables: Sequence[str]) -> Steps[None]:
    """Hold for longer what the run holds in these tables."""
    lease = Lease(owner=owner, until=now(ctx) + LEASE_TERM).model_dump(mode="json")
    for table in tables:
        yield from call_entity(ctx, LEASES, table, "renew", lease)


def open_obligation(
    ctx: Context,
    operation: Operation,
    run: Run,
    kind: ObligationKind,
    within: timedelta,
    detail: str,
    *,
    provable: bool = False,
) -> Steps[None]:
    """Write an obligation down; a later run of the plan takes over what an earlier one owed."""
    obligation = Obligation(
        kind=kind,
        plan=operation.plan,
        owner=operation.id,
        opened=now(ctx),
        due=now(ctx) + within,
        vms=tuple(item.vm for item in run.items),
        detail=detail,
        provable=provable,
    )
    yield from call_entity(ctx, OBLIGATIONS, operation.plan, "open", obligation.model_dump(mode="json"))


def settle_obligations(ctx: Context, operation: Operation, kinds: Sequence[ObligationKind]) -> Steps[None]:
    """Cross out what is owed no longer."""
    yield from call_entity(ctx, OBLIGATIONS, operation.plan, "settle", list(kinds))


def settle_except_for(ctx: Context, operation: Operation, kind: ObligationKind, vms: Sequence[str]) -> Steps[None]:
    """Cross out what is owed no longer; as long as some machines still owe it, it stays open for just these."""
    if not vms:
        yield from settle_obligations(ctx, operation, (kind,))
        return
    yield from note_on_obligation(ctx, operation.plan, "narrow_to", Narrowed(kind=kind, vms=tuple(vms)))


def note_on_obligation(ctx: Context, plan: str, what: str, note: Message) -> Steps[None]:
    """Write something down at what is owed for a plan: `what` names the entity's operation."""
    yield from call_entity(ctx, OBLIGATIONS, plan, what, note.model_dump(mode="json"))


def do_nothing(_ctx: Context, _operation: Operation, _run: Run) -> Steps[Run | None]:
    """Owe nothing, settle nothing."""
    yield from ()
    return None


def find_unproven_sources(ctx: Context, plan: str) -> Steps[list[Obstacle]]:
    """Whether an unplanned failover still owes the proof that the machines are off on premises.

    A failback onto a machine that runs would overwrite what it has done since.
    """
    owed = (yield from call_entity(ctx, OBLIGATIONS, plan, "read")) or {}
    if "source-off" not in owed:
        return []
    obligation = Obligation.model_validate(owed["source-off"])
    leftovers_text = (
        f": {', '.join(obligation.leftovers)}" if obligation.leftovers else "; the timer looks for it by itself"
    )
    detail = f"it is not proven that the machines are off on premises{leftovers_text}. {LOST_REMEDY}"
    return [Obstacle(code="source-not-proven-off", detail=detail)]
