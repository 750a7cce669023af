"""Routes as Azure chooses them: the first function by its name that takes the path and the method."""

import json
from typing import NamedTuple

from lab.host.routes import PARAMETER, Route
from tests.app_functions import registered_functions


class Endpoint(NamedTuple):
    name: str
    route: str
    methods: frozenset[str]


def list_endpoints() -> list[Endpoint]:
    """All HTTP functions of the app, in the order in which the Functions host tries them."""
    found = []
    for function in registered_functions():
        bindings = [json.loads(raw) for raw in function.get_raw_bindings()]
        trigger = next((one for one in bindings if one["type"] == "httpTrigger"), None)
        if trigger:
            name = str(function.get_function_name())
            found.append(Endpoint(name, trigger.get("route") or name, frozenset(map(str.upper, trigger["methods"]))))
    return sorted(found, key=lambda one: one.name.lower())


def find_function(endpoints: list[Endpoint], method: str, path: str) -> str:
    return next(
        one.name for one in endpoints if method in one.methods and Route(one.route).match_path(path) is not None
    )


def test_no_function_is_hidden_behind_another_one_whose_name_comes_first() -> None:
    endpoints = list_endpoints()
    assert len(endpoints) > 20
    for one in endpoints:
        path = PARAMETER.sub("value", one.route)
        for method in one.methods:
            assert find_function(endpoints, method, path) == one.name, f"{method} {path}"


def test_a_function_of_a_later_name_would_be_hidden() -> None:
    """The test above would see it: names decide, not what is more definite."""
    endpoints = [
        Endpoint("a_verb", "plans/{plan}/{verb}", frozenset({"POST"})),
        Endpoint("b_recovery_plan", "plans/{plan}/recovery-plan", frozenset({"POST"})),
    ]
    assert find_function(endpoints, "POST", "plans/x/recovery-plan") == "a_verb"
