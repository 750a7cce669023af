"""What a run holds: taken all or none, prolonged while it goes on, and given back."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from orchestrators.durable.steps import Context, Steps, call, call_entity, now, sleep
from shared.messages import Message, VaultRef
from shared.obstacle import Obstacle
from shared.operations.contract import READ_ENDED_RUNS, ReadEndedRuns
from shared.operations.durable_names import LEASES, OBLIGATIONS, REQUEST_BUDGET
from shared.operations.leases import Claim, ClaimVerdict, Lease
from shared.operations.obligation_table import OwedQuery, Settlement
from shared.operations.obligations import Machines, Obligation, ObligationKind
from shared.operations.pacing import LEASE_TERM
from shared.plans.machines import homes_of, leased_vm_of
from shared.recovery import budgeting
from shared.recovery.operation import Operation
from shared.recovery.run import Run
from shared.recovery.scheduler import Tick
from shared.site_recovery.request_budget import CallRequest, Calls, Grant
from shared.sites.lost_nodes import LOST_REMEDY
from shared.wording import list_briefly


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
    """Write down what the run's machines owe from now on; it takes over what they owed of that kind before."""
    obligation = obligation_of(ctx, operation, kind, within, detail).model_copy(update={"provable": provable})
    yield from open_for_run(ctx, operation, run, obligation)


def obligation_of(
    ctx: Context, operation: Operation, kind: ObligationKind, within: timedelta, detail: str
) -> Obligation:
    """What an operation owes from now on; nobody yet for whom."""
    at, owner = now(ctx), operation.id
    return Obligation(kind=kind, plan=operation.plan, owner=owner, opened=at, due=at + within, detail=detail)


def open_for_run(ctx: Context, operation: Operation, run: Run, obligation: Obligation) -> Steps[None]:
    """Write an obligation down for the run's machines, for each home of theirs apart."""
    for machines in machines_of_run(operation, run):
        part = obligation.model_copy(update={"home": machines.home, "vms": machines.vms})
        yield from call_entity(ctx, OBLIGATIONS, part.table, "open", part.model_dump(mode="json"))


def machines_of_run(operation: Operation, run: Run) -> list[Machines]:
    """The run's machines by where they are at home."""
    return machines_among(operation, run, [item.vm for item in run.items])


def machines_among(operation: Operation, run: Run, vms: Iterable[str]) -> list[Machines]:
    """Those of the plan's machines that are among these, by where they are at home."""
    chosen, found = set(vms), [item for item in run.items if item.id]
    homes = homes_of(operation.document, operation.sites, found)
    some = (machines.with_vms(vm for vm in machines.vms if vm in chosen) for machines in homes)
    return [machines for machines in some if machines.vms]


def settle_obligations(
    ctx: Context, all_machines: Iterable[Machines], kinds: Sequence[ObligationKind], ids: Sequence[str] = ()
) -> Steps[None]:
    """Cross out what these machines owe no longer, whatever plan incurred it.

    Args:
        ids: Of these obligations alone; empty for all of the kinds.
    """
    for machines in all_machines:
        settlement = Settlement(kinds=tuple(kinds), machines=machines, ids=tuple(ids)).model_dump(mode="json")
        yield from call_entity(ctx, OBLIGATIONS, machines.home.vault_key, "settle", settlement)


def settle_except_for(
    ctx: Context, operation: Operation, run: Run, kind: ObligationKind, vms: Sequence[str]
) -> Steps[None]:
    """Cross out what the run's machines owe no longer, but for those that owe it still."""
    settled = {item.vm for item in run.items} - set(vms)
    yield from settle_obligations(ctx, machines_among(operation, run, settled), (kind,))


def note_on_obligation(ctx: Context, table: str, what: str, note: Message) -> Steps[None]:
    """Write something down at what is owed: `what` names the entity's operation."""
    yield from call_entity(ctx, OBLIGATIONS, table, what, note.model_dump(mode="json"))


def read_obligations(ctx: Context, all_machines: Iterable[Machines], kind: ObligationKind) -> Steps[list[Obligation]]:
    """What these machines owe of a kind, without the orders."""
    owed: list[Obligation] = []
    for machines in all_machines:
        query = OwedQuery(machines=machines).model_dump(mode="json")
        answer = yield from call_entity(ctx, OBLIGATIONS, machines.home.vault_key, "read", query)
        owed += [one for one in map(Obligation.model_validate, answer or ()) if one.kind == kind]
    return owed


def do_nothing(_ctx: Context, _operation: Operation, _run: Run) -> Steps[Run | None]:
    """Owe nothing, settle nothing."""
    yield from ()
    return None


def find_unproven_sources(ctx: Context, operation: Operation, run: Run) -> Steps[list[Obstacle]]:
    """Whether an unplanned failover still owes the proof that the machines are off on premises.

    A failback onto a machine that runs would overwrite what it has done since.
    """
    owed = yield from read_obligations(ctx, machines_of_run(operation, run), "source-off")
    return [unproven_source(obligation) for obligation in owed]


def unproven_source(owed: Obligation) -> Obstacle:
    """What a failback waits for."""
    leftovers_text = f": {', '.join(owed.leftovers)}" if owed.leftovers else "; the timer looks for it by itself"
    detail = f"it is not proven that {list_briefly(owed.vms)} are off on premises{leftovers_text}. {LOST_REMEDY}"
    return Obstacle(code="source-not-proven-off", detail=detail)
