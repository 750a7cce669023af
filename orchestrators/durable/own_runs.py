"""Only what the app has started begins: a run has the seal of its input looked at, in each of its generations.

Through the webhooks of the engine anybody with their key starts runs, with an input of their choice: one that says that
its approvals are there, or that it is a later generation of a failover.
"""

import logging
from collections.abc import Mapping
from functools import wraps
from typing import Any, cast

from durabletask import task

from orchestrators.durable.generations import Orchestrator
from orchestrators.durable.steps import Context, Steps, call_patiently
from shared.errors import Refused
from shared.obstacle import Obstacle
from shared.operations.contract import CHECK_BEGIN, SEAL_CONTENT, CheckBegin, SealContent
from shared.operations.kinds import OPERATION_KINDS
from shared.operations.pacing import SEAL_PATIENCE
from shared.operations.payloads import split_carried
from shared.operations.seals import SEAL, SEALED, SealedInput, begin_name, digest_of, facts_of, split_seal
from shared.recovery.outcome import Outcome

_LOG = logging.getLogger(__name__)
FOREIGN_RUN = "not-started-here"
DETAIL = (
    "this app has not started this run, or it had ended before, or it could not begin for a day: it has done nothing. "
    "Ask again if you need it; and if nobody did, find out who has the key of the durable webhooks, and make a new one"
)


class WatchedContext:
    """The engine's context, with the wish to continue as new held back until the next input is sealed.

    Attributes:
        next_input: What the next generation is to be given; None: there is none.
        saves_events: Whether it gets the events that nobody has taken.
    """

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._waits: list[task.CancellableTask[Any]] = []
        self.next_input: Mapping[str, Any] | None = None
        self.saves_events = False

    def __getattr__(self, name: str) -> Any:
        """Everything else is the engine's."""
        return getattr(self._ctx, name)

    def wait_for_external_event(self, name: str) -> task.CancellableTask[Any]:
        """The next event of this name."""
        wait = self._ctx.wait_for_external_event(name)
        self._waits = [*(one for one in self._waits if not one.is_complete), wait]
        return wait

    def continue_as_new(self, new_input: Mapping[str, Any], *, save_events: bool = False) -> None:
        """Go on with another input; events that come from now on are for the next generation."""
        self.next_input, self.saves_events = new_input, save_events
        for wait in self._waits:
            if not wait.is_complete:
                wait.cancel()


def only_own(name: str, orchestrator: Orchestrator) -> Orchestrator:
    """The orchestrator, which begins only what the app has started or had go on."""

    @wraps(orchestrator)
    def run_own(ctx: Context, payload: Any) -> Steps[dict[str, Any] | None]:
        given = split_seal(payload)
        if not (yield from _is_own(ctx, name, given)):
            return _refuse(ctx, name)
        watched = WatchedContext(ctx)
        output = yield from orchestrator(cast("Context", watched), given.content)
        if watched.next_input is not None:
            ctx.continue_as_new((yield from _seal(ctx, name, watched.next_input)), save_events=watched.saves_events)
        return output

    return run_own


def _is_own(ctx: Context, name: str, given: SealedInput) -> Steps[bool]:
    """Whether the app has sealed the input; as long as the key cannot be read, the run waits."""
    if not isinstance(given.seal.get(SEAL), str):
        return False
    question = CheckBegin(run=ctx.instance_id, orchestrator=name, digest=digest_of(given.content), seal=given.seal)
    try:
        return (yield from call_patiently(ctx, CHECK_BEGIN, question, SEAL_PATIENCE)).is_own
    except Refused:
        return False


def _seal(ctx: Context, name: str, content: Mapping[str, Any]) -> Steps[dict[str, Any]]:
    """The input of the next generation, sealed; as long as the key cannot be read, the run waits."""
    document, carried = split_carried(content)
    facts = facts_of(document) | ({"ends": True} if carried.outcome else {})
    request = SealContent(target=ctx.instance_id, name=begin_name(name), digest=digest_of(content), facts=facts)
    answer = yield from call_patiently(ctx, SEAL_CONTENT, request, SEAL_PATIENCE)
    return {**content, SEALED: {**facts, SEAL: answer.seal}}


def _refuse(ctx: Context, name: str) -> dict[str, Any]:
    """End as refused; a run that is no operation fails, as nobody reads more of it than that.

    Raises:
        Refused: not-started-here.
    """
    ctx.create_replay_safe_logger(_LOG).error("%s %s: %s", FOREIGN_RUN, ctx.instance_id, DETAIL)
    if name not in OPERATION_KINDS:
        raise Refused(FOREIGN_RUN, DETAIL)
    problem = Obstacle(code=FOREIGN_RUN, detail=DETAIL)
    return Outcome(state="refused", kind=cast("Any", name), problems=(problem,)).model_dump(mode="json")
