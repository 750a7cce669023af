"""What can be said with a verb on a plan: the bodies of the requests."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, StringConstraints

from shared.documents import Span
from shared.messages import Document
from shared.operations.kinds import Kind
from shared.plans.plan import DataSyncChoice, PlanDocument
from shared.problem_details import FieldError
from shared.site_recovery.recovery_points import CONSISTENT, LATEST, PROCESSED, PointChoice
from triggers.http_endpoint import HttpProblem

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

    data_sync: DataSyncChoice | None = None
    resume_at: AwareDatetime | None = None
    create_vm: bool | None = None
    host: Annotated[str, StringConstraints(max_length=100)] = ""
    order: Literal["reverse", "same"] | None = None


REQUEST_OF_KIND: Mapping[Kind, type[VerbRequest]] = {
    "failover": FailoverRequest,
    "roundtrip": RoundtripRequest,
    "drill": PointRequest,
    "change-point": PointRequest,
    "cancel": CancelRequest,
    "failback": FailbackRequest,
}


def operation_options(request: Document, plan: PlanDocument) -> dict[str, Any]:
    """What the operation takes over of a request.

    Raises:
        Problem: something in it does not fit the plan.
    """
    options: dict[str, Any] = {}
    if isinstance(request, PointRequest):
        options["points"] = _point_selection(request, plan)
    if isinstance(request, FailoverRequest):
        options |= {"failover_type": request.type, "shut_down_source": request.shut_down_source}
    if isinstance(request, RoundtripRequest):
        options["return_at"] = request.return_at
        options |= _failback_options(FailbackRequest(), plan)
    if isinstance(request, FailbackRequest):
        options |= _failback_options(request, plan)
    if isinstance(request, CancelRequest):
        options["confirmed"] = request.confirm
    return options


def _failback_options(request: FailbackRequest, plan: PlanDocument) -> dict[str, Any]:
    """How the machines come home, by the request or else by the plan.

    Raises:
        Problem: options that do not go together.
    """
    requested_sync = request.data_sync or plan.failback.data_sync
    create_vm = plan.failback.create_vm if request.create_vm is None else request.create_vm
    faults = []
    if request.resume_at and requested_sync == "full-download":
        faults.append(("resumeAt", "a full download does not wait: it is one job to its end"))
    if request.host and not create_vm:
        faults.append(("host", "a host is where a VM is made again that is gone: it needs createVm"))
    if request.host and len(plan.site_names) > 1:
        faults.append(("host", f"the plan has VMs at several sites: {', '.join(plan.site_names)}"))
    _require_no_faults(faults)
    data_sync = "ForDownTime" if requested_sync == "minimise-downtime" else "ForSynchronization"
    options = {"data_sync": data_sync, "resume_at": request.resume_at, "create_vm": create_vm, "host": request.host}
    return options | {"order": request.order or ""}


def _point_selection(request: PointRequest, plan: PlanDocument) -> PointChoice:
    """Which points were asked for.

    Raises:
        Problem: a point of one VM is meant for several, or one for a VM that the plan has not.
    """
    plan_vms = {item.vm.lower() for item in plan.items}
    if isinstance(request.recovery_point, dict):
        unknown_vms = [vm for vm in request.recovery_point if vm.lower() not in plan_vms]
        _require_no_faults([(f"recoveryPoint.{vm}", f"no item of this plan is called {vm!r}") for vm in unknown_vms])
        by_vm = {vm.lower(): rule for vm, rule in request.recovery_point.items()}
        return PointChoice(by_vm=by_vm, max_age=request.max_age)
    if request.recovery_point not in {LATEST, PROCESSED, CONSISTENT} and len(plan_vms) > 1:
        detail = (
            f"{request.recovery_point!r} is a point of one VM, and the plan has more: give each its own, by its name"
        )
        _require_no_faults([("recoveryPoint", detail)])
    return PointChoice(rule=request.recovery_point, max_age=request.max_age)


def _require_no_faults(faults: list[tuple[str, str]]) -> None:
    if faults:
        errors = [FieldError(field=field, detail=detail) for field, detail in faults]
        raise HttpProblem(400, "Invalid request", "The request has fields that are wrong.", errors)


def require_confirmation(request: Document, sentence: str) -> None:
    """See that what cannot be undone was asked for in so many words.

    Raises:
        Problem: it was not; the problem says which words.
    """
    if isinstance(request, CancelRequest) and sentence and request.confirm != sentence:
        _require_no_faults([("confirm", f"say exactly what it does: {sentence}")])
