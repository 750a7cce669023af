"""What is wrong with a plan that is to be declared, all of it at once.

1. The document itself: fields, order, addresses.
2. Beside other documents: sites that are not declared, drills that follow each other in a circle.
3. In Azure: VMs that are not protected, networks and addresses that do not fit. A plan that is declared already is not
   checked there again: what was true then may be so no longer.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from activities.plan_checks import check_plan_in_azure
from shared.documents import CHECKED
from shared.plans.plan import PlanDocument
from shared.problem_details import FieldError, field_errors
from shared.sites.site import SiteDocument
from triggers.http_endpoint import invalid_request, json_object_of
from triggers.scope_checks import find_plan_scope_errors

_ITEM_INDEX = re.compile(r"^items\[(\d+)\]")


async def check_plan(
    name: str, body: bytes, sites: Mapping[str, SiteDocument], plans: Mapping[str, PlanDocument]
) -> tuple[PlanDocument, list[str]]:
    """The plan that was sent, when all of it can be declared, and what could not be checked in Azure.

    Args:
        name: What it will be called.
        body: The document, as it was sent.
        sites: Those that are declared, by name.
        plans: Those that are declared, by name.

    Raises:
        HttpProblem: with everything that is wrong at once, each by its field (400).
    """
    plan, errors = check_plan_document(name, body, sites, plans)
    if plan and not errors and name in plans and plans[name].digest == plan.digest:
        return plan, []
    readable_plan = plan
    if readable_plan is None:  # its fields may be well-formed, though its order or its addresses are not
        with suppress(ValidationError):
            readable_plan = PlanDocument.model_validate(json_object_of(body), context=CHECKED)
    azure_errors, unchecked = await _check_in_azure(readable_plan, sites) if readable_plan else ([], [])
    errors = [*errors, *azure_errors]
    if plan is None or errors:
        raise invalid_request(*errors)
    return plan, unchecked


def check_plan_document(
    name: str, body: bytes, sites: Mapping[str, SiteDocument], plans: Mapping[str, PlanDocument]
) -> tuple[PlanDocument | None, list[FieldError]]:
    """The plan in the document, None where it is not valid; and all that is wrong with it."""
    plan: PlanDocument | None = None
    errors: list[FieldError] = []
    try:
        plan = PlanDocument.model_validate_json(body)
    except ValidationError as error:
        errors = field_errors(error)
    document = json_object_of(body)
    errors += find_plan_scope_errors(plan) if plan else []
    errors += [*_unknown_site_errors(document, sites), *_drill_cycle_errors(name, document, plans)]
    return plan, [*errors, *_drill_network_errors(document, sites)]


async def _check_in_azure(plan: PlanDocument, sites: Mapping[str, SiteDocument]) -> tuple[list[FieldError], list[str]]:
    """What Azure shows of the machines whose sites are declared, by their places in the whole document."""
    indexes = [place for place, item in enumerate(plan.items) if plan.site_name_of(item) in sites]
    if not indexes:
        return [], []
    declared_part = plan.model_copy(update={"items": tuple(plan.items[place] for place in indexes)})
    errors, unchecked = await check_plan_in_azure(declared_part, sites)

    def original_field(field: str) -> str:
        return _ITEM_INDEX.sub(lambda found: f"items[{indexes[int(found[1])]}]", field)

    return [error._replace(field=original_field(error.field)) for error in errors], unchecked


def _unknown_site_errors(document: Mapping[str, Any], sites: Mapping[str, SiteDocument]) -> Iterator[FieldError]:
    items = document.get("items")
    site_fields = [("site", document.get("site"))]
    for index, item in enumerate(items if isinstance(items, list) else ()):
        site_fields.append((f"items[{index}].site", item.get("site") if isinstance(item, dict) else None))
    for field, site in site_fields:
        if isinstance(site, str) and site not in sites:
            yield FieldError(field=field, detail=f"the site {site!r} is not declared: declare it first")


def _drill_cycle_errors(
    name: str, document: Mapping[str, Any], plans: Mapping[str, PlanDocument]
) -> Iterator[FieldError]:
    """Drills that follow each other in a circle would never end, and one that follows nothing never begins."""
    drill = document.get("drill")
    chain, followed_plan = [name], drill.get("follows") if isinstance(drill, dict) else None
    while isinstance(followed_plan, str) and followed_plan not in chain and followed_plan in plans:
        chain.append(followed_plan)
        settings = plans[followed_plan].drill
        followed_plan = settings.follows if settings else None
    if isinstance(followed_plan, str) and followed_plan in chain:
        detail = f"drills follow each other in a circle: {' -> '.join([*chain, followed_plan])}"
        yield FieldError(field="drill.follows", detail=detail)
    elif isinstance(followed_plan, str):
        detail = f"the plan {followed_plan!r} is not declared: declare it first"
        yield FieldError(field="drill.follows", detail=detail)


def _drill_network_errors(document: Mapping[str, Any], sites: Mapping[str, SiteDocument]) -> Iterator[FieldError]:
    """A drill in the network of a failover would meet what runs there."""
    drill = document.get("drill")
    network = drill.get("network") if isinstance(drill, dict) else None
    production = {site.network.rstrip("/").lower(): name for name, site in sites.items() if site.network}
    if isinstance(network, str) and (site := production.get(network.rstrip("/").lower())):
        yield FieldError("drill.network", f"is the network of a failover at {site}: a drill needs one that is isolated")
