"""Acts of administration become evidence: by a run of their own, so that whoever acts waits for no store."""

import logging

from orchestrators.durable.steps import Context, Steps, call_all, call_entity
from shared.activity import Nothing
from shared.evidence.administration import COUNTS_KEY, LATE, UNWRITTEN, Act, AdministrationRecord
from shared.operations.contract import START_RUN, StartRun
from shared.operations.durable_names import EVENT_COUNTS, RECORD_ADMINISTRATION
from shared.request_ids import run_id

_LOG = logging.getLogger(__name__)


def record_act(ctx: Context, *acts: Act) -> Steps[None]:
    """Have what this run did written down; a run that cannot be started undoes nothing, and is counted."""
    run = run_id("administration", acts[0].subject, ctx.instance_id)
    record = AdministrationRecord(id=run, acts=acts)
    start = StartRun(id=run, orchestrator=RECORD_ADMINISTRATION, payload=record.model_dump(mode="json"))
    answer = (yield from call_all(ctx, START_RUN, [start]))[0]
    if not isinstance(answer, Nothing):
        ctx.create_replay_safe_logger(_LOG).error("administration-unwritten: %s: %s", run, answer)
        yield from count_record(ctx, LATE, UNWRITTEN)


def count_record(ctx: Context, *names: str) -> Steps[None]:
    """Count what became of a record, where health shows it."""
    for name in names:
        yield from call_entity(ctx, EVENT_COUNTS, COUNTS_KEY, "add", name)
