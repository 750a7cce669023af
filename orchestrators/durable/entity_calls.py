"""What a run holds: taken all or none, prolonged while it goes on, and given back."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from durabletask import task

from orchestrators.durable.steps import Steps, ask_entity, call, now, sleep
from shared.activity import Problem
from shared.messages import VaultRef
from shared.operations.contract import READ_RUNS, ReadRuns
from shared.operations.durable_names import LEASES, OBLIGATIONS, REQUEST_BUDGET
from shared.operations.leases import LEASE_TERM, Claim, Lease, Verdict
from shared.operations.obligations import Narrowed, Obligation, ObligationKind
from shared.plans.machines import leased_vm
from shared.recovery import budgeting
from shared.recovery.operation import Operation
from shared.recovery.run import Run
from shared.recovery.scheduler import Tick
from shared.site_recovery.request_budget import Calls, Grant, Wish


def rationed(ctx: task.OrchestrationContext, run: Run, tick: Tick) -> Steps[tuple[Run, Tick]]:
    """The tick as far as each subscription grants it: starts beyond that wait, reads are waited for here."""
    ready = now(ctx)
    for name, wish in budgeting.wishes(run, tick, now(ctx)).items():
        answer = yield from ask_entity(ctx, REQUEST_BUDGET, name, "take", wish.model_dump(mode="json"))
        grant = Grant.model_validate(answer)
        run = budgeting.granted(run, name, wish, grant)
        ready = max(ready, grant.reads_from)
    if ready > now(ctx):
        yield from sleep(ctx, ready - now(ctx))
    return budgeting.within(run, tick, now(ctx))


def granted(ctx: task.OrchestrationContext, run: Run, wanted: Mapping[str, Calls]) -> Steps[Run]:
    """Wait until all of these may be sent, by subscription: for what a run cannot do in parts."""
    ready = now(ctx)
    for name, calls in sorted(wanted.items()):
        wish = budgeting.wish_of(run, name, calls, now(ctx)).model_dump(mode="json")
        grant = Grant.model_validate((yield from ask_entity(ctx, REQUEST_BUDGET, name, "take", wish)))
        run = budgeting.lent(run, name, calls)
        ready = max(ready, grant.reads_from, grant.writes_from)
    if ready > now(ctx):
        yield from sleep(ctx, ready - now(ctx))
    return run


def afford(ctx: task.OrchestrationContext, subscription: str, calls: Calls) -> Steps[None]:
    """Wait until these requests may be sent: for runs that have nothing else to do meanwhile."""
    if not calls.reads and not calls.writes:
        return
    wish = Wish(now=now(ctx), reads=calls.reads, writes=calls.writes).model_dump(mode="json")
    grant = Grant.model_validate((yield from ask_entity(ctx, REQUEST_BUDGET, subscription.lower(), "take", wish)))
    ready = max(grant.reads_from, grant.writes_from)
    if ready > now(ctx):
        yield from sleep(ctx, ready - now(ctx))


class NotAdmitted(Exception):
    """The run may not begin.

    Attributes:
        problems: Each thing in the way.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(problem.detail for problem in problems))
        self.problems = tuple(problems)


def claim_keys(ctx: task.OrchestrationContext, table: str, owner: str, keys: tuple[str, ...]) -> Steps[None]:
    """Lease these things of one table, all or none.

    Raises:
        NotAdmitted: who holds what of them.
        Transient: whether those who hold them still live could not be seen.
    """
    verdict = yield from _claim(ctx, table, owner, keys)
    if not verdict.granted:
        raise NotAdmitted([_held(holder, theirs) for holder, theirs in verdict.holders.items()])


def _claim(ctx: task.OrchestrationContext, table: str, owner: str, keys: tuple[str, ...]) -> Steps[Verdict]:
    """Claim; where somebody is in the way, see whether they still live, and claim once more."""
    ask = Claim(owner=owner, keys=keys, now=now(ctx), until=now(ctx) + LEASE_TERM)
    verdict = Verdict.model_validate((yield from ask_entity(ctx, LEASES, table, "claim", ask.model_dump(mode="json"))))
    if verdict.granted:
        return verdict
    runs = yield from call(ctx, READ_RUNS, ReadRuns(ids=tuple(verdict.holders)))
    if not runs.ended:
        return verdict
    again = ask.model_copy(update={"ended": runs.ended}).model_dump(mode="json")
    return Verdict.model_validate((yield from ask_entity(ctx, LEASES, table, "claim", again)))


def _held(owner: str, keys: Sequence[str]) -> Problem:
    names = [leased_vm(key) for key in keys]
    return Problem(vm=names[0], code="held", detail=f"{', '.join(names)}: held by {owner}")


def let_go(ctx: task.OrchestrationContext, owner: str, vaults: Sequence[VaultRef]) -> Steps[None]:
    """Give back what the run holds in these vaults."""
    for vault in vaults:
        yield from ask_entity(ctx, LEASES, vault.key, "release", owner)


def prolong(ctx: task.OrchestrationContext, owner: str, tables: Sequence[str]) -> Steps[None]:
    """Hold for longer what the run holds in these tables."""
    lease = Lease(owner=owner, until=now(ctx) + LEASE_TERM).model_dump(mode="json")
    for table in tables:
        yield from ask_entity(ctx, LEASES, table, "renew", lease)


def owe(
    ctx: task.OrchestrationContext,
    operation: Operation,
    run: Run,
    kind: ObligationKind,
    within: timedelta,
    why: str,
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
        detail=why,
        provable=provable,
    )
    yield from ask_entity(ctx, OBLIGATIONS, operation.plan, "open", obligation.model_dump(mode="json"))


def settle(ctx: task.OrchestrationContext, operation: Operation, kinds: Sequence[ObligationKind]) -> Steps[None]:
    """Cross out what is owed no longer."""
    yield from ask_entity(ctx, OBLIGATIONS, operation.plan, "settle", list(kinds))


def settle_but_for(
    ctx: task.OrchestrationContext, operation: Operation, kind: ObligationKind, vms: Sequence[str]
) -> Steps[None]:
    """Cross out what is owed no longer; as long as some machines still owe it, it stays open for just these."""
    if not vms:
        yield from settle(ctx, operation, (kind,))
        return
    note = Narrowed(kind=kind, vms=tuple(vms)).model_dump(mode="json")
    yield from ask_entity(ctx, OBLIGATIONS, operation.plan, "narrow", note)


def nothing(_ctx: task.OrchestrationContext, _operation: Operation, _run: Run) -> Steps[Run | None]:
    """Owe nothing, settle nothing."""
    yield from ()
    return None


def sources_unproven(ctx: task.OrchestrationContext, plan: str) -> Steps[list[Problem]]:
    """Whether an unplanned failover still owes the proof that the machines are off on premises.

    A failback onto a machine that runs would overwrite what it has done since.
    """
    owed = (yield from ask_entity(ctx, OBLIGATIONS, plan, "read")) or {}
    if "source-off" not in owed:
        return []
    seen = Obligation.model_validate(owed["source-off"])
    found = f": {', '.join(seen.leftovers)}" if seen.leftovers else "; the timer looks for it by itself"
    detail = f"it is not proven that the machines are off on premises{found}"
    return [Problem(code="source-not-proven-off", detail=detail)]
