"""What the app's own description says of a request: a fake that takes anything hides what the app refuses."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qs

from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # it ships no types

from function_app import app as _app  # noqa: F401 - it fills the description
from triggers.api_description import DESCRIPTION


@cache
def _routes() -> list[tuple[re.Pattern[str], Mapping[str, Any]]]:
    found = sorted(DESCRIPTION.document["paths"].items(), key=lambda one: one[0].count("{"))
    return [(re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))), methods) for path, methods in found]


def find_trouble(method: str, path: str, body: Any) -> str:
    """Why the app would refuse this request for its shape; empty where it would not.

    Args:
        path: With its query, and without /api/.
        body: What is declared by PUT is somebody's own, and not looked at.
    """
    plain, _, query = path.partition("?")
    methods = next((methods for pattern, methods in _routes() if pattern.fullmatch(f"/{plain}")), None)
    if methods is None or method.lower() not in methods:
        return f"there is no {method} /{plain}"
    rules = methods[method.lower()]
    known = {one["name"] for one in rules["parameters"] if one["in"] == "query"}
    if unknown := set(parse_qs(query, keep_blank_values=True)) - known:
        return f"{method} /{plain} knows no {', '.join(sorted(unknown))}"
    schema = rules.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    if schema is not None and method == "PUT":
        return ""
    if schema is None:
        return f"{method} /{plain} takes no body" if body else ""
    validator = Draft202012Validator({**schema, "components": DESCRIPTION.document["components"]})
    return "; ".join(f"{error.json_path}: {error.message}" for error in validator.iter_errors(body or {}))
