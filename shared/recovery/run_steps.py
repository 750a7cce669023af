"""What a person can do about a run now: what it waits for, what it left owed, or asking for it again. Pure.

1. A run that waits for a person: each decision that it takes, with the VMs and what speaks for it.
2. One that has ended: what it still owes, in the order in which it can be settled.
3. One that failed or was refused: to ask again, once the reasons are put right.
"""

from collections.abc import Iterator, Mapping, Sequence

from shared.messages import Document
from shared.obstacle import Obstacle
from shared.operations.obligations import REMEDIES, Obligation, ObligationKind
from shared.recovery.person_events import Verdict
from shared.recovery.status import AwaitedDecision
from shared.wording import list_briefly

SHOWN_REASONS = 3
SETTLING_VERBS: Mapping[ObligationKind, str] = {"commit": "commit", "reprotect": "failback"}
"""Verbs of the plan that settle what a failover owes; all else is settled by the timer, or by hand."""
OWED_ORDER: Sequence[ObligationKind] = ("source-off", "cleanup", "commit", "reprotect", "leftovers", "restore-lock")
HOME_KINDS = frozenset({"failback", "roundtrip"})
"""Runs whose VMs are at home at their end, as far as they went well."""
ASK_AGAIN: Mapping[str, str] = {
    "plan": "/api/plans/{subject}/{kind}",
    "site": "/api/sites/{subject}/{kind}",
}
DECISIONS: Mapping[Verdict, str] = {
    "retry": "once the reason is put right: the verb is sent to these VMs again",
    "skip": "the run goes on without these VMs; what is owed for them stays owed",
    "resume": "the run goes on",
    "abort": "nothing new begins; running jobs are followed to their end, and a drill is cleaned up",
}


class RunStep(Document):
    """Something that a person can do now.

    Attributes:
        verb: A decision on the run, a verb of its plan, or the kind of obligation that is settled by hand.
        vms: Whom it is about; empty for all, or for none in particular.
        route: The request that does it; empty where it is done elsewhere.
    """

    verb: str
    vms: tuple[str, ...] = ()
    why: str
    route: str = ""


def steps_while_waiting(run: str, awaited: AwaitedDecision, failures: Sequence[Obstacle] = ()) -> Iterator[RunStep]:
    """The decisions that a run takes now, the one to think of first at the beginning.

    Args:
        failures: Why VMs failed on which it waits for a decision.
    """
    route = f"POST /api/operations/{run}/{{}}"
    if awaited.kind == "approval":
        yield RunStep(verb="approve", why=describe_approval(awaited), route=route.format("approve"))
        yield RunStep(verb="reject", why="the run ends, and nothing is done", route=route.format("reject"))
        return
    reasons = list_briefly([one.text for one in failures], SHOWN_REASONS, "; ")
    for verdict in awaited.choices:
        is_about_failures = verdict in {"retry", "skip"}
        vms = tuple(one.vm for one in failures) if is_about_failures else awaited.vms if verdict == "resume" else ()
        said = reasons if is_about_failures else awaited.instructions if verdict == "resume" else ""
        why = ": ".join(filter(None, (DECISIONS[verdict], said)))
        yield RunStep(verb=verdict, vms=vms, why=why, route=route.format(verdict))


def describe_approval(awaited: AwaitedDecision) -> str:
    """How many approvals are missing, by whom and until when."""
    until = f", until {awaited.until:%Y-%m-%d %H:%M} UTC" if awaited.until else ""
    return f"Waiting for {awaited.instructions}{until}"


def steps_that_are_owed(kind: str, plan: str, owed: Sequence[Obligation]) -> Iterator[RunStep]:
    """What settles what a run of this kind still owes."""
    for one in sorted(owed, key=lambda one: OWED_ORDER.index(one.kind)):
        verb = SETTLING_VERBS.get(one.kind, "")
        verb = "reprotect" if one.kind == "reprotect" and kind in HOME_KINDS else verb
        route = f"POST /api/plans/{plan}/{verb}" if verb and plan else ""
        yield RunStep(verb=verb or one.kind, vms=one.vms, why=f"{REMEDIES[one.kind]} {one.detail}".strip(), route=route)


def step_to_ask_again(kind: str, subject_field: str, subject: str, failures: Sequence[Obstacle]) -> RunStep:
    """To ask once more for what was refused, or has failed."""
    path = ASK_AGAIN.get(subject_field, "")
    verb = "recovery-plans" if kind == "mirror" else kind
    is_timed = kind == "cleanup"
    vms = tuple(dict.fromkeys(one.vm for one in failures if one.vm))
    reasons = list_briefly([one.text for one in failures], SHOWN_REASONS, "; ")
    why = "the timer tries again" if is_timed else "put the reason right, then ask again: what is done stays done"
    return RunStep(
        verb=verb,
        vms=vms,
        why=": ".join(filter(None, (why, reasons))),
        route=f"POST {path.format(subject=subject, kind=verb)}" if path and not is_timed else "",
    )
