"""A run asks for what it wants to send: one call a tick and subscription."""

from collections.abc import Mapping

from durabletask import task

from orchestrators.entities import BUDGET
from orchestrators.steps import Steps, ask_entity, now, sleep
from shared import rations
from shared.budget import Calls, Grant, Wish
from shared.runs import Run
from shared.scheduler import Tick


def rationed(ctx: task.OrchestrationContext, run: Run, tick: Tick) -> Steps[tuple[Run, Tick]]:
    """The tick as far as each subscription grants it: starts beyond that wait, reads are waited for here."""
    ready = now(ctx)
    for name, wish in rations.wishes(run, tick, now(ctx)).items():
        answer = yield from ask_entity(ctx, BUDGET, name, "take", wish.model_dump(mode="json"))
        grant = Grant.model_validate(answer)
        run = rations.granted(run, name, wish, grant)
        ready = max(ready, grant.reads_from)
    if ready > now(ctx):
        yield from sleep(ctx, ready - now(ctx))
    return rations.within(run, tick, now(ctx))


def granted(ctx: task.OrchestrationContext, run: Run, wanted: Mapping[str, Calls]) -> Steps[Run]:
    """Wait until all of these may be sent, by subscription: for what a run cannot do in parts."""
    ready = now(ctx)
    for name, calls in sorted(wanted.items()):
        wish = rations.wish_of(run, name, calls, now(ctx)).model_dump(mode="json")
        grant = Grant.model_validate((yield from ask_entity(ctx, BUDGET, name, "take", wish)))
        run = rations.lent(run, name, calls)
        ready = max(ready, grant.reads_from, grant.writes_from)
    if ready > now(ctx):
        yield from sleep(ctx, ready - now(ctx))
    return run


def afford(ctx: task.OrchestrationContext, subscription: str, calls: Calls) -> Steps[None]:
    """Wait until these requests may be sent: for runs that have nothing else to do meanwhile."""
    if not calls.reads and not calls.writes:
        return
    wish = Wish(now=now(ctx), reads=calls.reads, writes=calls.writes).model_dump(mode="json")
    grant = Grant.model_validate((yield from ask_entity(ctx, BUDGET, subscription.lower(), "take", wish)))
    ready = max(grant.reads_from, grant.writes_from)
    if ready > now(ctx):
        yield from sleep(ctx, ready - now(ctx))
