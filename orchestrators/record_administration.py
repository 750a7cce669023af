"""Writing acts of administration into the log of heads, however long the evidence store is away.

1. Ask how long the log is, once: only what comes after that can be an earlier try of this run.
2. Write the entry, signed; where that fails unsigned, with the reason. Without a store there is nothing to write.
3. If the store takes nothing, count that where health shows it, and try again at growing distances, for two weeks.
4. What could not be written is counted and published.
"""

from typing import Any

from orchestrators.durable.administration import count_record
from orchestrators.durable.cloud_events import MOST_SHOWN, publish_event
from orchestrators.durable.steps import Context, Steps, now, show_status, sleep, try_once
from shared.activity import Nothing
from shared.evidence.administration import CAUGHT_UP, LATE, UNWRITTEN, AdministrationRecord
from shared.evidence.contract import LOG_ACTS, READ_LOG_END, ActsLogged, LogActs, LogEndRead
from shared.operations.contract import PublishEvent
from shared.operations.pacing import RECORD_PAUSES


def record_administration(ctx: Context, payload: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Write one entry; answers its number, 0 where there is no store, or why it was not written."""
    record = AdministrationRecord.model_validate(payload)
    after: int | None = None
    trouble = ""
    for attempt, pause in enumerate((*RECORD_PAUSES, None)):
        if after is None:
            end = yield from try_once(ctx, READ_LOG_END, Nothing())
            if isinstance(end, LogEndRead) and not end.kept:
                return {"entry": 0, "kept": False}
            after, trouble = (end.size, "") if isinstance(end, LogEndRead) else (None, str(end))
        if after is not None:
            answer = yield from _write(ctx, LogActs(record=record, after=after))
            if isinstance(answer, ActsLogged):
                yield from count_record(ctx, *([CAUGHT_UP] if attempt else []))
                return {"entry": answer.entry, "kept": answer.kept}
            trouble = str(answer)
        if not attempt:
            yield from count_record(ctx, LATE)
        if pause is not None:
            show_status(ctx, {"phase": "Writing", "waitingFor": f"the evidence store: {trouble}"})
            yield from sleep(ctx, pause)
    yield from count_record(ctx, UNWRITTEN)
    yield from publish_event(ctx, _event_of(ctx, record, trouble))
    return {"entry": 0, "kept": False, "detail": trouble}


def _write(ctx: Context, request: LogActs) -> Steps[ActsLogged | Exception]:
    """Write the entry, with a signature or without."""
    answer = yield from try_once(ctx, LOG_ACTS, request)
    if isinstance(answer, ActsLogged):
        return answer
    return (yield from try_once(ctx, LOG_ACTS, request.model_copy(update={"unsigned": str(answer)})))


def _event_of(ctx: Context, record: AdministrationRecord, trouble: str) -> PublishEvent:
    acts = [f"{act.act} {act.subject}" for act in record.acts[:MOST_SHOWN]]
    return PublishEvent(
        id=f"{record.id}:unwritten",
        type="HciSiteRecovery.Administration.Unwritten",
        subject="evidence/administration",
        at=now(ctx),
        data={"run": record.id, "acts": acts, "count": len(record.acts), "detail": trouble},
    )
