"""What is wrong with a plan that is to be declared: its fields, sites that are not declared, circles of drills."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from shared.book import Entry
from shared.documents import CHECKED
from shared.plans import PlanDocument
from shared.problems import FieldError, field_errors
from triggers.web import Problem


def read_plan(name: str, body: bytes, sites: Mapping[str, Entry], plans: Mapping[str, Entry]) -> PlanDocument:
    """The plan that was sent, when all of it can be declared.

    Args:
        name: What it will be called.
        body: The document, as it was sent.
        sites: Those that are declared, by name.
        plans: Those that are declared, by name.

    Raises:
        Problem: with everything that is wrong at once, each by its field (400).
    """
    plan: PlanDocument | None = None
    wrong: list[FieldError] = []
    try:
        plan = PlanDocument.model_validate_json(body)
    except ValidationError as error:
        wrong = field_errors(error)
    given = _given(body)
    wrong += [*_unknown_sites(given, sites), *_circle(name, given, plans)]
    if plan is None or wrong:
        more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        detail = f"The plan has fields that are wrong: {wrong[0].field}: {wrong[0].detail}{more}"
        raise Problem(400, "Invalid request", detail, wrong)
    return plan


def _given(body: bytes) -> Mapping[str, Any]:
    """The document as far as it can be read; what cannot is told as faults of its fields."""
    try:
        given = json.loads(body)
    except ValueError:
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
