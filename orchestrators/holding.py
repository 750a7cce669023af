"""What a run holds: taken all or none, prolonged while it goes on, and given back."""

from collections.abc import Sequence

from durabletask import task

from activities.app_contract import READ_RUNS, ReadRuns
from orchestrators.entities import LEASES
from orchestrators.steps import Steps, ask_entity, call, now
from shared.identity import leased_vm
from shared.leases import Claim, Lease, Verdict
from shared.messages import VaultRef
from shared.operations import LEASE_TERM, Problem


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
