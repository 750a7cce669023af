"""Whether a verb may begin now: what stands in its way, who overrides that, and what others will have to approve."""

from collections.abc import Iterable

import azure.durable_functions as df

from activities.point_previews import with_points
from activities.previewing import foretold
from shared.operations import Operation, Override
from shared.operations import Problem as Obstacle
from shared.preview import Blocker, Preview
from shared.principals import Principal
from shared.problems import FieldError
from shared.readiness import JUDGED
from triggers.starting import started_already
from triggers.web import Problem
from triggers.wishes import VerbRequest, require_confirmation


async def judged(
    client: df.DurableFunctionsClient, operation: Operation, wish: VerbRequest, person: Principal
) -> Operation:
    """The operation with what has to be kept of this moment: an override, and the preview that others will approve.

    Raises:
        Problem: the plan is not ready and nobody overrides that, or its networks do not fit (409); what cannot be
            undone is not confirmed (400).
    """
    approvals = operation.approvals
    if operation.what not in JUDGED and approvals is None:
        return operation.model_copy(update={"override": _override(None, wish, person)})
    told, seen = await foretold(client, operation)
    require_confirmation(wish, told.confirm)
    if seen.places:
        detail = f"Nothing was done: {seen.places[0].detail}."
        raise Problem(409, "Not ready", detail, errors_of((*seen.places, *told.concerns)))
    if told.concerns and wish.override is None and not await started_already(client, operation.id):
        raise _unready(operation, told)
    kept = {"override": _override(told, wish, person)}
    preview = await with_points(operation, told, seen.items) if approvals else None
    return operation.model_copy(update={**kept, "preview": preview})


def _unready(operation: Operation, told: Preview) -> Problem:
    how = 'Cure it, or say why it shall begin all the same: "override": "<the reason>".'
    detail = (
        f"{operation.plan} is not ready for a {operation.kind}, and nothing was done: {told.concerns[0].detail}. {how}"
    )
    return Problem(409, "Not ready", detail, errors_of((*told.blockers, *told.concerns)))


def _override(told: Preview | None, wish: VerbRequest, person: Principal) -> Override | None:
    if wish.override is None:
        return None
    concerns = told.concerns if told else ()
    return Override(reason=wish.override, by=person.name, person=person.id, needed=bool(concerns), concerns=concerns)


def errors_of(found: Iterable[Blocker | Obstacle]) -> list[FieldError]:
    """Each thing in the way, by the item or the plan that it is about."""
    return [FieldError(field=f"items[{one.vm}]" if one.vm else "plan", detail=one.detail) for one in found]
