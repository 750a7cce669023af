"""What can be said with a verb on a plan: the bodies of the requests."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, StringConstraints

from shared.documents import Span
from shared.messages import Document
from shared.operations.kinds import Kind
from shared.plans.plan import DataSyncWish, PlanDocument
from shared.problem_details import FieldError
from shared.site_recovery.recovery_points import CONSISTENT, LATEST, PROCESSED, PointWish
from triggers.http_endpoint import Problem

type Way = Literal["clean-up-first", "leave"]
type PointRule = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
type Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class VerbRequest(Document):
    """What can be said with any verb.

    Attributes:
        override: Why it shall begin although the plan is not ready; what Site Recovery refuses stays refused.
    """

    override: Reason | None = None


class CancelRequest(VerbRequest):
    """Ask for a cancel; `confirm` repeats the sentence of its preview."""

    confirm: str = ""


class PointRequest(VerbRequest):
    """Ask for a verb that starts from a recovery point.

    Attributes:
        recovery_point: "latest", "latestProcessed", "latestAppConsistent", or for a plan of one VM the name or ARM id
            of a point; or each VM's own, the others taking the latest.
        max_age: Of the point, when the verb is sent: one that is older is refused for its VM.
    """

    recovery_point: PointRule | dict[str, PointRule] = LATEST
    max_age: Span | None = None


class FailoverRequest(PointRequest):
    """Ask for a failover.

    Attributes:
        type: "planned" shuts the source down first and loses nothing; "unplanned" is for a site that is lost.
        shut_down_source: For "unplanned": try to shut the source VMs down first; goes on when that fails.
        drill: What becomes of a drill that holds the plan's VMs: cleaned up before the failover begins, or ended at
            once and cleaned up later, which is possible as long as no VM is in its test failover.
    """

    type: Literal["planned", "unplanned"] = "planned"
    shut_down_source: bool = True
    drill: Way | None = None


class RoundtripRequest(FailoverRequest):
    """Ask for a failover that comes home again.

    Attributes:
        return_at: When the machines come home by themselves; without it a person says so.
    """

    return_at: AwareDatetime | None = None


class FailbackRequest(VerbRequest):
    """Ask for a failback; what is left out is as the plan says.

    Attributes:
        data_sync: "full-download" or "minimise-downtime".
        resume_at: For "minimise-downtime": when it goes on by itself after the data synchronisation.
        create_vm: Make a machine again that is gone on premises.
        host: With create_vm: the node that it is made on, of the same cluster.
        order: "reverse" brings home first what nothing depends on.
    """

    data_sync: DataSyncWish | None = None
    resume_at: AwareDatetime | None = None
    create_vm: bool | None = None
    host: Annotated[str, StringConstraints(max_length=100)] = ""
    order: Literal["reverse", "same"] | None = None


BODIES: Mapping[Kind, type[VerbRequest]] = {
    "failover": FailoverRequest,
    "roundtrip": RoundtripRequest,
    "drill": PointRequest,
    "change-point": PointRequest,
    "cancel": CancelRequest,
    "failback": FailbackRequest,
}


def chosen(wish: Document, plan: PlanDocument) -> dict[str, Any]:
    """What the operation takes over of a request.

    Raises:
        Problem: something in it does not fit the plan.
    """
    said: dict[str, Any] = {}
    if isinstance(wish, PointRequest):
        said["points"] = _points(wish, plan)
    if isinstance(wish, FailoverRequest):
        said |= {"failover_type": wish.type, "shut_down_source": wish.shut_down_source}
    if isinstance(wish, RoundtripRequest):
        said["return_at"] = wish.return_at
        said |= _home(FailbackRequest(), plan)
    if isinstance(wish, FailbackRequest):
        said |= _home(wish, plan)
    if isinstance(wish, CancelRequest):
        said["confirmed"] = wish.confirm
    return said


def _home(wish: FailbackRequest, plan: PlanDocument) -> dict[str, Any]:
    """How the machines come home, by the request or else by the plan.

    Raises:
        Problem: options that do not go together.
    """
    sync = wish.data_sync or plan.failback.data_sync
    create = plan.failback.create_vm if wish.create_vm is None else wish.create_vm
    wrong = []
    if wish.resume_at and sync == "full-download":
        wrong.append(("resumeAt", "a full download does not wait: it is one job to its end"))
    if wish.host and not create:
        wrong.append(("host", "a host is where a VM is made again that is gone: it needs createVm"))
    if wish.host and len(plan.site_names) > 1:
        wrong.append(("host", f"the plan has VMs at several sites: {', '.join(plan.site_names)}"))
    _refuse(wrong)
    data_sync = "ForDownTime" if sync == "minimise-downtime" else "ForSynchronization"
    told = {"data_sync": data_sync, "resume_at": wish.resume_at, "create_vm": create, "host": wish.host}
    return told | {"order": wish.order or ""}


def _points(wish: PointRequest, plan: PlanDocument) -> PointWish:
    """Which points were asked for.

    Raises:
        Problem: a point of one VM is meant for several, or one for a VM that the plan has not.
    """
    known = {item.vm.lower() for item in plan.items}
    if isinstance(wish.recovery_point, dict):
        strangers = [vm for vm in wish.recovery_point if vm.lower() not in known]
        _refuse([(f"recoveryPoint.{vm}", f"no item of this plan is called {vm!r}") for vm in strangers])
        by_vm = {vm.lower(): rule for vm, rule in wish.recovery_point.items()}
        return PointWish(by_vm=by_vm, max_age=wish.max_age)
    if wish.recovery_point not in {LATEST, PROCESSED, CONSISTENT} and len(known) > 1:
        detail = f"{wish.recovery_point!r} is a point of one VM, and the plan has more: give each its own, by its name"
        _refuse([("recoveryPoint", detail)])
    return PointWish(rule=wish.recovery_point, max_age=wish.max_age)


def _refuse(wrong: list[tuple[str, str]]) -> None:
    if wrong:
        errors = [FieldError(field=field, detail=detail) for field, detail in wrong]
        raise Problem(400, "Invalid request", "The request has fields that are wrong.", errors)


def require_confirmation(wish: Document, sentence: str) -> None:
    """See that what cannot be undone was asked for in so many words.

    Raises:
        Problem: it was not; the problem says which words.
    """
    if isinstance(wish, CancelRequest) and sentence and wish.confirm != sentence:
        _refuse([("confirm", f"say exactly what it does: {sentence}")])
