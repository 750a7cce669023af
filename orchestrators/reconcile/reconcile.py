"""The timer's runbook: read what is declared and owed, and do one duty after another, in the order of DUTIES."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from orchestrators.durable.cloud_events import delivery_run_of
from orchestrators.durable.holds import end_past_holds
from orchestrators.durable.steps import Context, Steps, call, call_entity, now
from orchestrators.durable.timer_look import TimerLook, attempt_part
from orchestrators.reconcile.drills import begin_due_drills
from orchestrators.reconcile.lost_runs import close_lost_runs
from orchestrators.reconcile.nodes import look_after_nodes
from orchestrators.reconcile.obligations import publish_late_obligations, start_orphan_cleanups, start_owed_cleanups
from orchestrators.reconcile.owed_in_azure import compare_with_vaults
from orchestrators.reconcile.recovery_plans import keep_mirrors
from orchestrators.reconcile.retention import purge_ended_runs
from orchestrators.verbs.azure_leftovers import settle_gone_leftovers
from orchestrators.verbs.source_power import start_source_proofs, start_source_rechecks
from shared.log_lines import TIMER_LOOK_ENDED, log_line
from shared.operations.contract import START_RUN, PublishEvent
from shared.operations.durable_names import TIMER_LOOKS
from shared.operations.timer_looks import DutyFailure, KnownFailure, LookEnded
from shared.plans.contract import READ_DOCUMENTS, ReadDocuments

_LOG = logging.getLogger(__name__)

type Duty = Callable[[Context, TimerLook], Steps[list[str]]]


def end_holds_that_are_over(ctx: Context, look: TimerLook) -> Steps[list[str]]:
    """End holds whose time has come; the duties after this one are then done again."""
    if any(hold.is_over(now(ctx)) for hold in look.documents.holds):
        yield from end_past_holds(ctx)
    return []


DUTIES: Mapping[str, Duty] = {
    "end holds that are over": end_holds_that_are_over,
    "close runs that the engine ended": close_lost_runs,
    "compare what is owed with the vaults": compare_with_vaults,
    "clean up drills whose time is over": start_owed_cleanups,
    "begin drills that are due": begin_due_drills,
    "clean up drills whose runs are dead": start_orphan_cleanups,
    "remind of what is late": publish_late_obligations,
    "prove that source VMs are off": start_source_proofs,
    "watch that source VMs stay off": start_source_rechecks,
    "settle Azure leftovers that are gone": settle_gone_leftovers,
    "heal nodes": look_after_nodes,
    "keep recovery plans as declared": keep_mirrors,
    "forget runs that ended long ago": purge_ended_runs,
}
"""By the name that people read when one fails."""


READ_ALL = "read what is declared and owed"
UNREADABLE = "what the app keeps of it cannot be read; nothing is done for it until it is declared anew"


def reconcile(ctx: Context, _payload: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Do what is due, duty by duty; doing it twice starts nothing twice, because each occasion has an id of its own.

    A duty that fails, in all or for one plan, site, node or obligation, keeps nothing else from being done, and is done
    again the next time.
    """
    look = TimerLook(duty=READ_ALL)
    yield from attempt_part(ctx, look, "", _read_documents(ctx, look))
    started: list[str] = []
    for name, duty in DUTIES.items() if look.has_documents else ():
        look.duty = name
        started += yield from attempt_part(ctx, look, "", duty(ctx, look))
    yield from _end_look(ctx, look)
    failures = [": ".join(filter(None, (one.duty, one.about, one.detail))) for one in look.failures]
    return {"started": started, "failures": failures}


def _read_documents(ctx: Context, look: TimerLook) -> Steps[list[str]]:
    look.documents = yield from call(ctx, READ_DOCUMENTS, ReadDocuments(look_at=now(ctx)))
    look.has_documents = True
    look.failures += [DutyFailure(duty=look.duty, about=name, detail=UNREADABLE) for name in look.documents.unreadable]
    return []


def _end_look(ctx: Context, look: TimerLook) -> Steps[None]:
    """Keep that the look came to its end, and with what; publish what fails."""
    ended = LookEnded(at=now(ctx), failures=tuple(look.failures)).model_dump(mode="json")
    to_publish = yield from call_entity(ctx, TIMER_LOOKS, "timer", "end_look", ended)
    for failure in map(KnownFailure.model_validate, to_publish):
        yield from call(ctx, START_RUN, delivery_run_of(_failure_event(failure)))
    counts = {"failures": len(look.failures), "owed": len(look.documents.obligations)}
    ctx.create_replay_safe_logger(_LOG).info(log_line(TIMER_LOOK_ENDED, counts))


def _failure_event(failure: KnownFailure) -> PublishEvent:
    at = failure.published_at or failure.since
    return PublishEvent(
        id=f"timer:{failure.duty}:{failure.about}:{at.isoformat()}",
        type="HciSiteRecovery.Timer.DutyFailed",
        subject=f"timer/{failure.about or failure.duty}",
        at=at,
        data=failure.model_dump(mode="json", include={"duty", "about", "detail", "since", "looks"}),
    )
