"""What is wrong with a plan that is to be declared: in its own words, beside other plans and sites, and in Azure."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from activities.plan_checks import check_plan_in_azure
from shared.documents import CHECKED
from shared.plans.plan import PlanDocument
from shared.plans.versions import VersionedDocument
from shared.problem_details import FieldError, field_errors
from shared.sites.site import SiteDocument
from triggers.http_endpoint import HttpProblem

_ITEM_INDEX = re.compile(r"^items\[(\d+)\]")


async def read_plan(
    name: str, body: bytes, sites: Mapping[str, VersionedDocument], plans: Mapping[str, VersionedDocument]
) -> tuple[PlanDocument, list[str]]:
    """The plan that was sent, when all of it can be declared, and what could not be looked at in Azure.

    A document that is declared already is not held against Azure again: what was true then may be so no longer.

    Args:
        name: What it will be called.
        body: The document, as it was sent.
        sites: Those that are declared, by name.
        plans: Those that are declared, by name.

    Raises:
        Problem: with everything that is wrong at once, each by its field (400).
    """
    plan, errors = check_plan_document(name, body, sites, plans)
    if plan and not errors and name in plans and plans[name].digest == plan.digest:
        return plan, []
    readable_plan = plan or _parse_leniently(body)
    azure_errors, unchecked = await _check_in_azure(readable_plan, sites) if readable_plan else ([], [])
    errors = [*errors, *azure_errors]
    if plan is None or errors:
        more_text = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
        detail = f"The plan has fields that are wrong: {errors[0].field}: {errors[0].detail}{more_text}"
        raise HttpProblem(400, "Invalid request", detail, errors)
    return plan, unchecked


def check_plan_document(
    name: str, body: bytes, sites: Mapping[str, VersionedDocument], plans: Mapping[str, VersionedDocument]
) -> tuple[PlanDocument | None, list[FieldError]]:
    """The plan as far as its own words go, None where they cannot be taken; and all that is wrong with them."""
    plan: PlanDocument | None = None
    errors: list[FieldError] = []
    try:
        plan = PlanDocument.model_validate_json(body)
    except ValidationError as error:
        errors = field_errors(error)
    document = _json_object_of(body)
    return plan, [*errors, *_unknown_site_errors(document, sites), *_drill_cycle_errors(name, document, plans)]


def _parse_leniently(body: bytes) -> PlanDocument | None:
    """A plan whose fields are well-formed, though its order or its addresses are not."""
    try:
        return PlanDocument.model_validate(_json_object_of(body), context=CHECKED)
    except ValidationError:
        return None


async def _check_in_azure(
    plan: PlanDocument, sites: Mapping[str, VersionedDocument]
) -> tuple[list[FieldError], list[str]]:
    """What Azure shows of the machines whose sites are declared, by their places in the whole document."""
    site_documents = {name: SiteDocument.model_validate(entry.document) for name, entry in sites.items()}
    indexes = [place for place, item in enumerate(plan.items) if (item.site or plan.site) in site_documents]
    if not indexes:
        return [], []
    declared_part = plan.model_copy(update={"items": tuple(plan.items[place] for place in indexes)})
    errors, unchecked = await check_plan_in_azure(declared_part, site_documents)
    return [error._replace(field=_with_original_index(error.field, indexes)) for error in errors], unchecked


def _with_original_index(field: str, indexes: Sequence[int]) -> str:
    return _ITEM_INDEX.sub(lambda found: f"items[{indexes[int(found[1])]}]", field)


def _json_object_of(body: bytes) -> Mapping[str, Any]:
    """The document as far as it can be read; what cannot is told as faults of its fields."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _unknown_site_errors(document: Mapping[str, Any], sites: Mapping[str, VersionedDocument]) -> Iterator[FieldError]:
    items = document.get("items")
    site_fields = [("site", document.get("site"))]
    for index, item in enumerate(items if isinstance(items, list) else ()):
        site_fields.append((f"items[{index}].site", item.get("site") if isinstance(item, dict) else None))
    for field, site in site_fields:
        if isinstance(site, str) and site not in sites:
            yield FieldError(field=field, detail=f"The site {site!r} is not declared.")


def _drill_cycle_errors(
    name: str, document: Mapping[str, Any], plans: Mapping[str, VersionedDocument]
) -> Iterator[FieldError]:
    """Drills that follow each other in a circle would never end."""
    drill = document.get("drill")
    chain, followed_plan = [name], drill.get("follows") if isinstance(drill, dict) else None
    while isinstance(followed_plan, str) and followed_plan not in chain and followed_plan in plans:
        chain.append(followed_plan)
        settings = PlanDocument.model_validate(plans[followed_plan].document, context=CHECKED).drill
        followed_plan = settings.follows if settings else None
    if isinstance(followed_plan, str) and followed_plan in chain:
        detail = f"drills follow each other in a circle: {' -> '.join([*chain, followed_plan])}"
        yield FieldError(field="drill.follows", detail=detail)
