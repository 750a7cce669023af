"""The description of the API says what the routes say, all of it and nothing else."""

import asyncio
import inspect
import json
import re
import subprocess
import sys
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from function_app import app
from shared.principals import ROLES
from tests.app_functions import registered_functions
from tests.triggers.doors import DOORS, PAGE_FUNCTIONS, Door, door
from tests.triggers.test_routes import list_endpoints as list_registered
from triggers import api_description, decisions, verbs
from triggers.endpoint_rules import EndpointRules
from triggers.verb_requests import find_foreign_options

DESCRIBED = api_description.describe_api(list(api_description.list_endpoints(app)))
OPERATIONS = {
    (method.upper(), path): operation
    for path, methods in DESCRIBED["paths"].items()
    for method, operation in methods.items()
}
WORDS = {"start_verb": verbs.VARIANTS, "decide_operation": decisions.VARIANTS}
ROLE_REQUIRED = re.compile(r"require_role\(caller_of\(req\), (.+)\)\n")


def rules_of(endpoint: Door) -> EndpointRules:
    rules = inspect.unwrap(endpoint.handler, stop=lambda one: "rules" in vars(one)).rules
    assert isinstance(rules, EndpointRules)
    return rules


def operations_of(endpoint: Door) -> dict[str, Any]:
    """By the word of the route, "" where it has none."""
    if endpoint.name not in WORDS:
        return {"": OPERATIONS[endpoint.method, f"/{endpoint.route}"]}
    stem = endpoint.route.rpartition("/")[0]
    return {word: OPERATIONS[endpoint.method, f"/{stem}/{word}"] for word in WORDS[endpoint.name]}


def fields_of(operation: dict[str, Any]) -> set[str]:
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    if "$ref" in schema:
        schema = DESCRIBED["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return set(schema["properties"])


def test_it_is_openapi() -> None:
    OpenAPIV31SpecValidator(DESCRIBED).validate()


def test_it_has_every_route_and_method_and_no_other() -> None:
    expected = set()
    for one in (one for one in list_registered() if one.name not in PAGE_FUNCTIONS):
        words = WORDS.get(one.name, {"": None})
        paths = {f"/{one.route}" if not word else f"/{one.route.rpartition('/')[0]}/{word}" for word in words}
        expected |= {(method, path) for method in one.methods for path in paths}
    assert set(OPERATIONS) == expected
    assert ("GET", "/openapi.json") in OPERATIONS


@pytest.mark.parametrize("endpoint", DOORS, ids=lambda one: str(one.name))
def test_it_has_every_parameter_body_and_role_of_a_route(endpoint: Door) -> None:
    rules = rules_of(endpoint)
    for word, operation in operations_of(endpoint).items():
        given = {(one["in"], one["name"]) for one in operation["parameters"]}
        assert {name for place, name in given if place == "query"} == set(rules.parameters)
        assert (("header", "If-Match") in given) == rules.is_conditional
        assert ("requestBody" in operation) == bool(rules.body or rules.variants)
        assert set(operation["x-roles"]) <= set(ROLES)
        if word:
            assert operation["x-roles"] == [rules.variants[word].role]
        assert operation["summary"]
        assert "application/problem+json" in operation["responses"]["default"]["content"]
        assert {int(status) for status in operation["responses"] if status != "default"} >= set(rules.statuses)


@pytest.mark.parametrize("endpoint", DOORS, ids=lambda one: str(one.name))
def test_what_a_handler_requires_by_itself_is_among_its_rules(endpoint: Door) -> None:
    """A role that is looked at inside, and a body that is read there: its rules have to say it."""
    rules, source = rules_of(endpoint), inspect.getsource(inspect.unwrap(endpoint.handler))
    required = {role for found in ROLE_REQUIRED.findall(source) for role in re.findall(r'"(Dr\.\w+)"', found)}
    assert required <= {rules.role, *rules.action_roles}
    assert set(rules.action_roles) <= required
    bodies = set(re.findall(r"read_body\(req, (\w+)\)", source))
    declared = {rules.body, *(variant.body for variant in rules.variants.values())} - {None}
    assert bodies <= {body.__name__ for body in declared if body}


@pytest.mark.parametrize("verb", sorted(verbs.VARIANTS))
def test_the_body_of_a_verb_has_its_options_and_no_foreign_ones(verb: Any) -> None:
    fields = fields_of(OPERATIONS["POST", f"/plans/{{plan}}/{verb}"])
    assert "override" in fields
    assert not find_foreign_options(verb, dict.fromkeys(fields))
    everything = set(DESCRIBED["components"]["schemas"]["VerbRequest"]["properties"])
    assert len(find_foreign_options(verb, dict.fromkeys(everything))) == len(everything - fields)


def test_the_route_answers_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_ROLES", "Dr.Read")
    answer = asyncio.run(door("get_openapi").answer(None))
    assert answer.status == 200
    assert answer.body == json.loads(json.dumps(DESCRIBED))


def test_nothing_of_it_is_made_when_the_app_starts() -> None:
    """The schemas of all models take longer than all else that the start does."""
    code = (
        "import pydantic.json_schema as made\n"
        "def refuse(*_, **__): raise AssertionError('made at the start')\n"
        "made.models_json_schema = refuse\n"
        "import function_app\n"
        "from triggers import api_description\n"
        "assert api_description.models_json_schema is refuse\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_function_that_answers_http_has_rules() -> None:
    assert len(DOORS) + len(PAGE_FUNCTIONS) == len(list_registered())
    assert len(registered_functions()) > len(DOORS)
    assert all(rules_of(one) for one in DOORS)
