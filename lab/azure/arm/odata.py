"""The $filter of ARM's own lists: clauses of one key and one value, joined by "and"; nothing else is understood."""

import re
from collections.abc import Mapping

from lab.azure.simulator.answers import not_simulated

_CLAUSE = r"\(?\s*(?P<key>\w+)\s+(?P<operator>eq|ge|le)\s+'(?P<value>[^']*)'\s*\)?"


def parse_clauses(text: str, keys: Mapping[str, str]) -> dict[str, str]:
    """The values of a filter by key, as the lab spells it.

    Args:
        text: The filter, empty for none.
        keys: What may be filtered, "resourceType" or "eventTimestamp ge", and what to call it.

    Raises:
        ArmError: 501 for anything else: an answer to it would be a guess.
    """
    by_name = {key.lower(): name for key, name in keys.items()}
    values: dict[str, str] = {}
    for clause in re.split(r"\s+and\s+", text.strip()) if text.strip() else ():
        found = re.fullmatch(_CLAUSE, clause.strip(), re.IGNORECASE)
        shown = found and (f"{found['key']} {found['operator']}" if found["operator"] != "eq" else found["key"])
        name = by_name.get(str(shown).lower())
        if found is None or name is None:
            raise not_simulated(f"the filter {clause!r}")
        values[name] = found["value"]
    return values
