"""Each activity of the contract has its binding, and refusals travel as answers."""

import json
import traceback
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import azure.durable_functions as df
import pytest

import shared
from activities.bindings import activity_blueprint, bind_activity
from shared.activity import Activity, Nothing
from shared.errors import Refused, Throttled, Transient, UnexpectedFailure
from shared.healing.contract import ReadScript, ScriptView
from tests.telemetry import recording

CONTRACTS = [*Path(shared.__path__[0]).rglob("contract.py"), Path(shared.__path__[0]) / "failback/leftovers.py"]


def names() -> set[str]:
    """The names of all activities of all contracts."""
    modules = [".".join(path.relative_to(Path(shared.__path__[0]).parent).with_suffix("").parts) for path in CONTRACTS]
    return {one.name for module in modules for one in vars(import_module(module)).values() if isinstance(one, Activity)}


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
    functions = bound(activity_blueprint())
    assert len(names()) > 40
    assert set(functions) == names()
    assert {function.get_function_name() for function in functions.values()} == names()


ASK = ReadScript(machine_id="m", name="n").model_dump(mode="json")
ASKED: Activity[ReadScript, ScriptView] = Activity("read_it", ReadScript, ScriptView)


async def call(outcome: ScriptView | Exception) -> Any:
    async def function(ask: ReadScript) -> ScriptView:
        assert ask == ReadScript(machine_id="m", name="n")
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    bp = df.Blueprint()
    bind_activity(bp, ASKED, function)
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


async def test_an_error_of_the_app_itself_is_kept_and_logged_without_secrets(caplog: pytest.LogCaptureFixture) -> None:
    secret = "-".join(("sesame", "4711"))  # a traceback shows this line too
    with pytest.raises(UnexpectedFailure, match="KeyError: 'sql-01") as raised:
        await call(KeyError(f"sql-01: password={secret}"))
    kept = "".join(traceback.format_exception(raised.value)) + caplog.text
    assert "test_bindings.py" in caplog.text
    assert secret not in kept


@pytest.mark.parametrize(
    ("outcome", "failed"),
    [
        (ScriptView(state="Running"), None),
        (Refused("no-vault", "password=hunter2"), "refused"),
        (Throttled("hunter2", 7, "s", "reads"), "throttled"),
        (Transient("hunter2"), "Transient"),
        (KeyError("hunter2"), "UnexpectedFailure"),
    ],
    ids=str,
)
async def test_a_call_is_a_span_that_says_how_it_ended_and_not_with_which_words(
    outcome: ScriptView | Exception, failed: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with recording(monkeypatch) as recorded:
        with suppress(Transient, UnexpectedFailure):
            await call(outcome)
        (span,) = recorded.named("read_it")
        assert span.status.description == failed
        assert ("hci.code" in (span.attributes or {})) == isinstance(outcome, Refused)
        assert "hunter2" not in span.to_json()
