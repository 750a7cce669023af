"""What a request for a verb on a plan may contain: the body of its request, and the options that come of it.

1. `parse_verb_request` reads the body; an option of another kind of operation is an error like a misspelt one.
2. `options_of_request` checks it against the plan and fills in what the plan says.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import StringConstraints, ValidationError

from shared.operations.kinds import Kind
from shared.plans.plan import PlanDocument
from shared.problem_details import FieldError, field_errors
from shared.recovery.operation import options_for
from shared.site_recovery.recovery_points import CONSISTENT, LATEST, PROCESSED
from shared.site_recovery.verb_options import OptionOf, VerbOptions
from triggers.http_endpoint import invalid_request, json_object_of

type DrillHandling = Literal["clean-up-first", "leave"]
type Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class VerbRequest(VerbOptions, extra="forbid"):
    """The options of a verb, and what the request says besides.

    Attributes:
        override: Why it shall begin although the plan is not ready; what Site Recovery refuses stays refused.
        confirm: Repeats the sentence of the preview.
        drill: What becomes of a drill that holds the plan's VMs: cleaned up before the failover begins, or ended at
            once and cleaned up later, which is possible as long as no VM is in its test failover.
    """

    override: Reason | None = None
    confirm: Annotated[str | None, OptionOf(("cancel", "commit"))] = None
    drill: Annotated[DrillHandling | None, OptionOf(("failover", "roundtrip"))] = None


def foreign_options_of(kind: Kind) -> frozenset[str]:
    """The options that a verb does not have, by each name under which a request could give them."""
    return frozenset(
        name
        for field_name, field in VerbRequest.model_fields.items()
        for option in field.metadata
        if isinstance(option, OptionOf) and kind not in option.kinds
        for name in (field_name, field.alias or field_name)
    )


def find_foreign_options(kind: Kind, given: Mapping[str, Any]) -> list[FieldError]:
    """The options in a request that its verb does not have."""
    foreign = foreign_options_of(kind)
    return [FieldError(name, f"a {kind} has no such option") for name in given if name in foreign]


def parse_verb_request(kind: Kind, body: bytes) -> VerbRequest:
    """The request of a verb.

    Raises:
        HttpProblem: with everything that is wrong with it, each by its field (400).
    """
    errors = find_foreign_options(kind, json_object_of(body))
    try:
        request = VerbRequest.model_validate_json(body)
    except ValidationError as error:
        raise invalid_request(*field_errors(error), *errors) from None
    if errors:
        raise invalid_request(*errors)
    return request


def options_of_request(kind: Kind, request: VerbRequest, plan: PlanDocument, now: datetime) -> VerbOptions:
    """The options that the operation will have: by the request, or else by the plan.

    Args:
        now: When it was requested.

    Raises:
        HttpProblem: some do not fit the plan, or each other (400).
    """
    plan = plan.with_vms(_chosen_vms(request, plan))
    options = options_for(kind, request, plan)
    if options.vms is not None:
        options = options.model_copy(update={"vms": tuple(item.vm for item in plan.items)})
    if errors := [
        *_outage_errors(options, now),
        *_failback_errors(options, plan),
        *_point_errors(options, plan),
    ]:
        raise invalid_request(*errors)
    if isinstance(options.recovery_point, dict):
        own_point = {vm.lower(): rule for vm, rule in options.recovery_point.items()}
        by_vm = {item.vm: own_point[item.vm.lower()] for item in plan.items if item.vm.lower() in own_point}
        return options.model_copy(update={"recovery_point": by_vm or LATEST})
    return options


def _chosen_vms(request: VerbRequest, plan: PlanDocument) -> Sequence[str]:
    """The VMs that the request names, or all.

    Raises:
        HttpProblem: one is not in the plan, or is named twice (400).
    """
    plan_vms = {item.vm.casefold() for item in plan.items}
    if request.vms is None:
        return tuple(plan_vms)
    names = [vm.casefold() for vm in request.vms]
    first_place = {name: place for place, name in reversed([*enumerate(names)])}
    errors = [
        FieldError(f"vms[{place}]", f"the plan has no VM {vm!r}" if name not in plan_vms else f"{vm} is named twice")
        for place, (vm, name) in enumerate(zip(request.vms, names, strict=True))
        if name not in plan_vms or place > first_place[name]
    ]
    if errors:
        raise invalid_request(*errors)
    return names


def _outage_errors(options: VerbOptions, now: datetime) -> Iterator[FieldError]:
    if options.outage_at and not options.is_unplanned:
        yield FieldError("outageAt", 'says when a site was lost: it needs "type": "unplanned"')
    elif options.outage_at and options.outage_at > now:
        yield FieldError("outageAt", f"is in the future: it is {now:%Y-%m-%d %H:%M} UTC now")


def _failback_errors(options: VerbOptions, plan: PlanDocument) -> Iterator[FieldError]:
    if options.resume_at and options.data_sync == "full-download":
        yield FieldError("resumeAt", "a full download does not wait for anything: use it with minimise-downtime")
    if options.host and not options.create_vm:
        yield FieldError("host", "says where a missing VM is made again: it needs createVm")
    if options.host and len(plan.site_names) > 1:
        yield FieldError("host", f"the plan has VMs at several sites: {', '.join(plan.site_names)}")


def _point_errors(options: VerbOptions, plan: PlanDocument) -> Iterator[FieldError]:
    plan_vms = {item.vm.lower() for item in plan.items}
    if isinstance(options.recovery_point, dict):
        for vm in options.recovery_point:
            if vm.lower() not in plan_vms:
                yield FieldError(f"recoveryPoint.{vm}", f"the plan has no VM {vm!r}")
    elif options.recovery_point not in {None, LATEST, PROCESSED, CONSISTENT} and len(plan_vms) > 1:
        detail = f"{options.recovery_point!r} is a point of one VM, and the plan has more: name a point for each VM"
        yield FieldError("recoveryPoint", detail)
