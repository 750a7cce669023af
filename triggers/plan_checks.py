"""What is wrong with a plan that is to be declared: in its own words, beside other plans and sites, and in Azure."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from activities.plan_checks import faults_in_azure
from shared.documents import CHECKED
from shared.plans.plan import PlanDocument
from shared.plans.versions import Entry
from shared.problem_details import FieldError, field_errors
from shared.sites.site import SiteDocument
from triggers.http_endpoint import Problem

_PLACE = re.compile(r"^items\[(\d+)\]")


async def read_plan(
    name: str, body: bytes, sites: Mapping[str, Entry], plans: Mapping[str, Entry]
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
    plan, wrong = in_words(name, body, sites, plans)
    if plan and not wrong and name in plans and plans[name].digest == plan.digest:
        return plan, []
    seen = plan or _readable(body)
    errors, doubts = await _in_azure(seen, sites) if seen else ([], [])
    wrong = [*wrong, *errors]
    if plan is None or wrong:
        more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        detail = f"The plan has fields that are wrong: {wrong[0].field}: {wrong[0].detail}{more}"
        raise Problem(400, "Invalid request", detail, wrong)
    return plan, doubts


def in_words(
    name: str, body: bytes, sites: Mapping[str, Entry], plans: Mapping[str, Entry]
) -> tuple[PlanDocument | None, list[FieldError]]:
    """The plan as far as its own words go, None where they cannot be taken; and all that is wrong with them."""
    plan: PlanDocument | None = None
    wrong: list[FieldError] = []
    try:
        plan = PlanDocument.model_validate_json(body)
    except ValidationError as error:
        wrong = field_errors(error)
    given = _given(body)
    return plan, [*wrong, *_unknown_sites(given, sites), *_circle(name, given, plans)]


def _readable(body: bytes) -> PlanDocument | None:
    """A plan whose fields are well-formed, though its order or its addresses are not."""
    try:
        return PlanDocument.model_validate(_given(body), context=CHECKED)
    except ValidationError:
        return None


async def _in_azure(plan: PlanDocument, sites: Mapping[str, Entry]) -> tuple[list[FieldError], list[str]]:
    """What Azure shows of the machines whose sites are declared, by their places in the whole document."""
    known = {name: SiteDocument.model_validate(entry.document) for name, entry in sites.items()}
    places = [place for place, item in enumerate(plan.items) if (item.site or plan.site) in known]
    if not places:
        return [], []
    part = plan.model_copy(update={"items": tuple(plan.items[place] for place in places)})
    errors, doubts = await faults_in_azure(part, known)
    return [error._replace(field=_replaced(error.field, places)) for error in errors], doubts


def _replaced(field: str, places: Sequence[int]) -> str:
    return _PLACE.sub(lambda found: f"items[{places[int(found[1])]}]", field)


def _given(body: bytes) -> Mapping[str, Any]:
    """The document as far as it can be read; what cannot is told as faults of its fields."""
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return given if isinstance(given, dict) else {}


def _unknown_sites(given: Mapping[str, Any], sites: Mapping[str, Entry]) -> Iterator[FieldError]:
    items = given.get("items")
    named = [("site", given.get("site"))]
    for place, item in enumerate(items if isinstance(items, list) else ()):
        named.append((f"items[{place}].site", item.get("site") if isinstance(item, dict) else None))
    for field, site in named:
        if isinstance(site, str) and site not in sites:
            yield FieldError(field=field, detail=f"The site {site!r} is not declared.")


def _circle(name: str, given: Mapping[str, Any], plans: Mapping[str, Entry]) -> Iterator[FieldError]:
    """Drills that follow each other in a circle would never end."""
    drill = given.get("drill")
    chain, after = [name], drill.get("follows") if isinstance(drill, dict) else None
    while isinstance(after, str) and after not in chain and after in plans:
        chain.append(after)
        settings = PlanDocument.model_validate(plans[after].document, context=CHECKED).drill
        after = settings.follows if settings else None
    if isinstance(after, str) and after in chain:
        detail = f"drills follow each other in a circle: {' -> '.join([*chain, after])}"
        yield FieldError(field="drill.follows", detail=detail)
