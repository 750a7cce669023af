"""What the app is given before it is loaded."""

import json
import os
from pathlib import Path

from lab.host.engine.versions import Versions
from lab.host.settings import HostFile, give_app_settings, read_host_file


def test_the_lab_s_settings_are_given(untouched: None, tmp_path: Path) -> None:
    for name in (
        "EVIDENCE_STORE",
        "AZURE_RESOURCE_MANAGER_URL",
        "IDENTITY_ENDPOINT",
        "AZURE_FUNCTIONS_DURABLE_STRICT_TYPING",
    ):
        os.environ.pop(name, None)
    give_app_settings(tmp_path, "http://127.0.0.1:9999/", tmp_path)
    assert os.environ["AZURE_RESOURCE_MANAGER_URL"] == "http://127.0.0.1:9999"
    assert os.environ["IDENTITY_ENDPOINT"] == "http://127.0.0.1:9999/msi/token"
    assert os.environ["AZURE_FUNCTIONS_DURABLE_STRICT_TYPING"] == "1"
    assert os.environ["EVIDENCE_STORE"] == f"folder:{tmp_path / 'evidence'}"


def test_what_is_set_stays(untouched: None, tmp_path: Path) -> None:
    os.environ["RECONCILE_SCHEDULE"] = "0 0 * * * *"
    give_app_settings(tmp_path, "http://127.0.0.1:9999", tmp_path)
    assert os.environ["RECONCILE_SCHEDULE"] == "0 0 * * * *"


def test_local_settings_come_before_the_lab_s(untouched: None, tmp_path: Path) -> None:
    os.environ.pop("RECONCILE_SCHEDULE", None)
    (tmp_path / "local.settings.json").write_text(json.dumps({"Values": {"RECONCILE_SCHEDULE": "00:01:00"}}))
    give_app_settings(tmp_path, "http://127.0.0.1:9999", tmp_path)
    assert os.environ["RECONCILE_SCHEDULE"] == "00:01:00"


def test_the_host_file_says_prefix_and_task_hub(tmp_path: Path) -> None:
    extensions = {"http": {"routePrefix": "v1"}, "durableTask": {"hubName": "Hub"}}
    (tmp_path / "host.json").write_text(json.dumps({"extensions": extensions}))
    assert read_host_file(tmp_path) == HostFile("v1", "Hub")


def test_without_a_host_file_functions_defaults_hold(tmp_path: Path) -> None:
    assert read_host_file(tmp_path) == HostFile("api", "TestHubName")


def test_the_host_file_says_which_versions_are_gone_on_with(tmp_path: Path) -> None:
    said = {"defaultVersion": "1.2", "versionMatchStrategy": "Strict", "versionFailureStrategy": "Fail"}
    (tmp_path / "host.json").write_text(json.dumps({"extensions": {"durableTask": said}}))
    assert read_host_file(tmp_path).engine.versions == Versions("1.2", "Strict", "Fail")
