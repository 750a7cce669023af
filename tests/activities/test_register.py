"""Each activity of the contract has its binding, and refusals travel as answers."""

import json
from typing import Any

import azure.durable_functions as df
import pytest

from activities import (
    app_contract,
    contract,
    engine_contract,
    home_contract,
    hook_contract,
    mirror_contract,
    node_contract,
    point_contract,
    preflight_contract,
    preview_contract,
    site_contract,
)
from activities.contract import Activity, Nothing
from activities.node_contract import ReadScript, ScriptView
from activities.register import bind, serve
from shared.errors import Refused, Transient

CONTRACTS = (
    app_contract,
    contract,
    engine_contract,
    home_contract,
    hook_contract,
    mirror_contract,
    node_contract,
    point_contract,
    preflight_contract,
    preview_contract,
    site_contract,
)
NAMES = {one.name for part in CONTRACTS for one in vars(part).values() if isinstance(one, Activity)}


def bound(bp: df.Blueprint) -> dict[str, Any]:
    app = df.DFApp()
    app.register_functions(bp)
    triggers = {}
    for function in app.get_functions():
        for raw in function.get_raw_bindings():
            binding = json.loads(raw)
            if binding["type"] == "activityTrigger" and not binding["activity"].startswith("BuiltIn__"):
                triggers[binding["activity"]] = function
    return triggers


def test_every_activity_of_the_contract_is_bound_under_its_name() -> None:
    bp = df.Blueprint()
    bind(bp)
    functions = bound(bp)
    assert set(functions) == NAMES
    assert {function.get_function_name() for function in functions.values()} == NAMES


ASK = ReadScript(machine_id="m", name="n").model_dump(mode="json")
ASKED: Activity[ReadScript, ScriptView] = Activity("read_it", ReadScript, ScriptView)


async def call(outcome: ScriptView | Exception) -> Any:
    async def function(ask: ReadScript) -> ScriptView:
        assert ask == ReadScript(machine_id="m", name="n")
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    bp = df.Blueprint()
    serve(bp, ASKED, function)
    return await bound(bp)["read_it"].get_user_function()(payload=ASK)


async def test_an_answer_travels_as_plain_json() -> None:
    assert (await call(ScriptView(state="Running")))["state"] == "Running"


async def test_a_refusal_travels_as_an_answer() -> None:
    assert await call(Refused("no-vault", "there is none")) == {
        "refused": {"code": "no-vault", "detail": "there is none"}
    }


async def test_what_a_retry_can_cure_is_raised() -> None:
    with pytest.raises(Transient):
        await call(Transient("lost"))


def test_a_message_without_fields_is_an_answer_too() -> None:
    assert Nothing().model_dump(mode="json") == {}
