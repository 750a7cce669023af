"""Templates are worked out as ARM works them out, and what is not known here is an error, never a guess."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.arm.deployment import Deployment, Place
from tools.arm.expressions import Access, Call, Literal, WrongTemplate, parse_expression

HERE = Place("s1", "rg")


def worked_out(expression: str, **template: Any) -> Any:
    whole = {"outputs": {"it": {"value": expression}}, **template}
    return Deployment(whole, {}, HERE, lambda _kind, _id: {}).outputs["it"]["value"]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("plain", "plain"),
        ("[[not evaluated]", "[not evaluated]"),
        ("['it''s']", "it's"),
        ("[format('{{{0}}}-{1}', 'a', 7)]", "{a}-7"),
        ("[if(empty(''), 'none', last(split('', '/'))[99])]", "none"),
        ("[and(equals('A', 'a'), not(greater(1, 2)))]", True),
        ("[or(true(), variables('nowhere'))]", True),
        ("[map(createArray('a', 'b'), lambda('x', 'i', createArray(lambdaVariables('i'))))]", [[0], [1]]),
        ("[filter(createArray(1, 2, 3), lambda('x', greater(lambdaVariables('x'), 1)))]", [2, 3]),
        ("[toObject(createArray('a'), lambda('x', lambdaVariables('x')), lambda('x', 1))]", {"a": 1}),
        ("[union(createArray(1, 2), createArray(2, 3))]", [1, 2, 3]),
        ("[concat(createArray(1), createArray(2))]", [1, 2]),
        ("[flatten(createArray(createArray(1), createArray(2)))]", [1, 2]),
        ("[coalesce(tryGet(createObject('a', 1), 'b'), 'default')]", "default"),
        ("[createObject('a', createArray('x')).a[0]]", "x"),
        ("[resourceId('Microsoft.A/b/c', 'one', 'two')]", f"{HERE.id}/providers/Microsoft.A/b/one/c/two"),
        ("[extensionResourceId('/x', 'Microsoft.A/b', 'one')]", "/x/providers/Microsoft.A/b/one"),
        ("[cidrSubnet('10.0.0.0/24', 26, 1)]", "10.0.0.64/26"),
        ("[string(createObject('a', true()))]", '{"a":true}'),
        ("[indexOf(createArray('a', 'b'), 'b')]", 1),
    ],
)  # fmt: skip
def test_an_expression_has_the_value_that_arm_gives_it(expression: str, value: Any) -> None:
    assert worked_out(expression) == value


@pytest.mark.parametrize(
    "expression",
    [
        "[mystery('a')]",
        "[format('a']",
        "[variables('a') 'b']",
        "[createObject('a', 1).b]",
        "[split('a')]",
        "[a b]",
        "[]",
    ],
)
def test_what_is_not_known_or_wrong_is_an_error(expression: str) -> None:
    with pytest.raises((WrongTemplate, KeyError)):
        worked_out(expression)


TEXTS = st.text(st.characters(blacklist_categories=["Cs"]), max_size=30)


@given(TEXTS)
def test_any_text_survives_quoting(text: str) -> None:
    quoted = text.replace("'", "''")
    assert parse_expression(f"['{quoted}']") == Literal(text)
    assert parse_expression(f"[f('{quoted}').a]") == Access(Call("f", (Literal(text),)), Literal("a"))


@given(st.lists(TEXTS), st.lists(TEXTS))
def test_names_that_are_made_are_stable_and_differ_as_what_they_are_made_of(one: list[str], other: list[str]) -> None:
    def made(parts: list[str]) -> Any:
        quoted = "', '".join(part.replace("'", "''") for part in parts)
        return worked_out(f"[createArray(uniqueString('{quoted}'), guid('{quoted}'))]")

    assert made(one) == made(one)
    assert (made(one) == made(other)) == ("-".join(one) == "-".join(other))


def test_resources_come_with_loops_conditions_references_and_nested_templates_worked_out() -> None:
    nested = {
        "parameters": {"name": {"type": "string"}},
        "resources": [{"type": "Microsoft.A/b", "apiVersion": "1", "name": "[parameters('name')]"}],
        "outputs": {"id": {"type": "string", "value": "[resourceId('Microsoft.A/b', parameters('name'))]"}},
    }
    template = {
        "resources": {
            "later": {
                "type": "Microsoft.C/d",
                "apiVersion": "2",
                "name": "x",
                "properties": {
                    "left": "[null()]",
                    "kept": "[reference('there').seen]",
                    "inner": "[reference('inner').outputs.id.value]",
                },
            },
            "inner": {
                "type": "Microsoft.Resources/deployments",
                "resourceGroup": "elsewhere",
                "properties": {"parameters": {"name": {"value": "x"}}, "template": nested},
            },
            "there": {"type": "Microsoft.E/f", "existing": True, "apiVersion": "1", "name": "g"},
            "many": {
                "copy": {"name": "many", "count": 2},
                "type": "Microsoft.H/i",
                "apiVersion": "1",
                "name": "[format('n{0}', copyIndex())]",
            },
            "none": {"condition": False, "type": "Microsoft.J/k", "apiVersion": "1", "name": "[reference('no').way]"},
        }
    }
    found = Deployment(template, {}, HERE, lambda kind, _id: {"seen": kind})
    inner = "/subscriptions/s1/resourceGroups/elsewhere/providers/Microsoft.A/b/x"
    assert [each.id.rpartition("/")[2] for each in found.resources if each.type == "Microsoft.H/i"] == ["n0", "n1"]
    assert inner in [each.id for each in found.resources]
    (later,) = (each.document for each in found.resources if each.type == "Microsoft.C/d")
    assert later["properties"] == {"kept": "Microsoft.E/f", "inner": inner}
    assert {each.type for each in found.resources} == {"Microsoft.A/b", "Microsoft.C/d", "Microsoft.H/i"}


DECLARED = {
    "parameters": {
        "name": {"type": "string", "minLength": 3, "maxLength": 5},
        "size": {"type": "int", "minValue": 1, "maxValue": 9, "defaultValue": 1},
        "mode": {"type": "string", "allowedValues": ["a", "b"], "defaultValue": "a"},
        "sites": {"type": "array", "items": {"$ref": "#/definitions/site"}, "defaultValue": []},
    },
    "definitions": {
        "site": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "may": {"type": "array", "items": {"type": "string", "allowedValues": ["drill"]}, "nullable": True},
            },
        }
    },
    "resources": [],
}


@pytest.mark.parametrize(
    ("parameters", "place"),
    [
        ({}, "name: a value is missing"),
        ({"name": "ab"}, "name: 'ab' is beyond 3 to 5"),
        ({"name": "abcdef"}, "name: 'abcdef' is beyond 3 to 5"),
        ({"name": 1234}, "name: 1234 is no string"),
        ({"name": "abc", "other": 1}, "other: there is no such parameter"),
        ({"name": "abc", "size": 10}, "size: 10 is beyond 1 to 9"),
        ({"name": "abc", "size": True}, "size: True is no int"),
        ({"name": "abc", "mode": "c"}, "mode: 'c' is not one of"),
        ({"name": "abc", "sites": [{}]}, "sites[0].name: a value is missing"),
        ({"name": "abc", "sites": [{"name": "x", "nmae": "y"}]}, "sites[0].nmae: there is no such property"),
        ({"name": "abc", "sites": [{"name": "x", "may": ["all"]}]}, "sites[0].may[0]: 'all' is not one of"),
    ],
)
def test_parameters_that_azure_would_refuse_are_refused_with_their_place(
    parameters: dict[str, Any], place: str
) -> None:
    with pytest.raises(WrongTemplate) as refused:
        Deployment(DECLARED, parameters, HERE, lambda _kind, _id: {})
    assert place in str(refused.value)


def test_the_committed_templates_are_read_whole() -> None:
    """Each function that the compiler wrote into them is known here."""
    infra = Path(__file__).parents[2] / "infra"
    for name in ("main", "roles"):
        text = (infra / f"{name}.json").read_text()
        for value in strings_of(json.loads(text)):
            if value.startswith("[") and value.endswith("]") and not value.startswith("[["):
                parse_expression(value)


def strings_of(content: object) -> list[str]:
    if isinstance(content, dict):
        return [each for value in content.values() for each in strings_of(value)]
    if isinstance(content, list):
        return [each for value in content for each in strings_of(value)]
    return [content] if isinstance(content, str) else []


def test_a_name_with_other_parts_than_its_type_is_refused() -> None:
    template = {"resources": [{"type": "Microsoft.A/b", "apiVersion": "1", "name": "x/y"}]}
    with pytest.raises(WrongTemplate, match="x/y"):
        Deployment(template, {}, HERE, lambda _kind, _id: {})
