"""What is deployed is the product and nothing else, with settings that Azure accepts."""

import ast
import json
import os
import re
import runpy
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.release import RELEASE
from triggers.worker_defaults import apply_worker_defaults

ROOT = Path(__file__).parents[1]
DEPLOYED = {"function_app.py", "host.json", "requirements.txt", "triggers", "orchestrators", "activities", "shared"}


def ignored() -> list[str]:
    lines = (ROOT / ".funcignore").read_text().splitlines()
    return [line.rstrip("/") for line in lines if line and not line.startswith("#")]


def test_everything_in_the_repository_is_deployed_or_ignored_on_purpose() -> None:
    names = {path.name for path in ROOT.iterdir()}
    left_out = {name for name in names if any(fnmatch(name, pattern) for pattern in ignored())}
    assert names - left_out == DEPLOYED & names


@pytest.mark.parametrize("name", ["lab", "tests", "bench", "tools", "requirements-dev.lock", "local.settings.json"])
def test_what_must_never_be_deployed_is_ignored(name: str) -> None:
    assert name in ignored()


def test_the_task_hub_has_a_name_that_azure_storage_accepts() -> None:
    host = json.loads((ROOT / "host.json").read_text())
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9]{2,44}", host["extensions"]["durableTask"]["hubName"])


def test_the_extension_bundle_is_the_generally_available_one() -> None:
    bundle = json.loads((ROOT / "host.json").read_text())["extensionBundle"]
    assert bundle == {"id": "Microsoft.Azure.Functions.ExtensionBundle", "version": "[4.33.0, 5.0.0)"}


def test_the_example_of_local_settings_names_every_setting_and_no_secret() -> None:
    values = json.loads((ROOT / "local.settings.json.example").read_text())["Values"]
    read = set(re.findall(r'"([A-Z][A-Z_]+)"', (ROOT / "shared/settings.py").read_text()))
    assert read - {"WEBSITE_AUTH_ENABLED", "WEBSITE_HOSTNAME"} <= set(values)  # the platform itself sets these
    assert not values["EVENTGRID_TOPIC_KEY"]
    assert values["AZURE_FUNCTIONS_DURABLE_STRICT_TYPING"] == "1"


@pytest.mark.parametrize(("setting", "schedule"), [("", "0 */5 * * * *"), ("0 0 * * * *", "%RECONCILE_SCHEDULE%")])
def test_the_timer_loads_without_a_setting(setting: str, schedule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The host does not load a timer whose schedule names a setting that is not there."""
    monkeypatch.setenv("RECONCILE_SCHEDULE", setting)
    assert runpy.run_path(str(ROOT / "triggers/timers.py"))["SCHEDULE"] == schedule


def test_json_is_strict_without_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_FUNCTIONS_DURABLE_STRICT_TYPING")
    apply_worker_defaults()
    assert os.environ["AZURE_FUNCTIONS_DURABLE_STRICT_TYPING"] == "1"


def test_the_entry_point_imports_only_the_product_and_azure() -> None:
    tree = ast.parse((ROOT / "function_app.py").read_text())
    plain = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    named = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    rooms = {name.split(".")[0] for name in plain | named}
    assert rooms <= {"azure", "triggers", "orchestrators", "activities", "shared"}


def test_the_durable_engine_is_set_as_runs_need_it() -> None:
    """By default no entity hears a run, a dead host takes five minutes of it, and an idle one half a minute a hop."""
    durable_task = json.loads((ROOT / "host.json").read_text())["extensions"]["durableTask"]
    assert durable_task["entityMessageReorderWindowInMinutes"] == 0
    assert durable_task["maxGrpcMessageSizeInBytes"] >= 50_000_000
    storage = durable_task["storageProvider"]
    assert storage["controlQueueVisibilityTimeout"] == storage["workItemQueueVisibilityTimeout"] == "00:01:00"
    assert storage["maxQueuePollingInterval"] == "00:00:01"


def test_the_engine_begins_runs_with_the_version_of_the_release() -> None:
    durable_task = json.loads((ROOT / "host.json").read_text())["extensions"]["durableTask"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", RELEASE)
    assert durable_task["defaultVersion"] == RELEASE
    assert durable_task["versionMatchStrategy"] == "CurrentOrOlder"
    assert durable_task["versionFailureStrategy"] == "Reject"


def test_the_host_drops_no_failure_and_writes_no_line_for_each_turn() -> None:
    """Requests are drawn from the lines of Host.Results; those of each function and turn would be thousands a drill."""
    host = json.loads((ROOT / "host.json").read_text())
    levels = host["logging"]["logLevel"]
    assert host["telemetryMode"] == "OpenTelemetry"
    assert levels["Host.Results"] == "Information"
    assert {levels[name] for name in ("Azure", "DurableTask", "Function", "Host.Triggers.DurableTask")} == {"Warning"}
    kept = host["logging"]["applicationInsights"]["samplingSettings"]["excludedTypes"]
    assert set(kept.split(";")) >= {"Request", "Exception"}
    tracing = host["extensions"]["durableTask"]["tracing"]
    assert (tracing["traceInputsAndOutputs"], tracing["traceReplayEvents"]) == (False, False)
