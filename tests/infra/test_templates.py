"""What infra/ makes is what the app reads, and what docs/deploy.md says."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from orchestrators.onboarding.prepare_steps import needed_grants
from shared.onboarding.preflight.azure_rights import CONTRIBUTOR, OWNER
from shared.principals import ROLES
from shared.settings import Settings, TelemetrySettings
from tests.seals import MAC_KEY
from tests.shared.samples import site
from tools.infra import main
from triggers.timer_schedule import SETTING

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
NOT_SET = {
    "ARM_PACE": "the clock of the lab only",
    "EVENTGRID_TOPIC_KEY": "the identity publishes, the topic takes no key",
    "MAC_KEY_BEFORE": "only while the key is changed, by hand",
    "WEBSITE_AUTH_ENABLED": "the platform sets it",
}
OF_THE_HOST = {
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "AZURE_FUNCTIONS_DURABLE_STRICT_TYPING",
    "PYTHON_ENABLE_OPENTELEMETRY",
    "PYTHON_THREADPOOL_THREAD_COUNT",
    *(
        f"AzureWebJobsStorage__{name}"
        for name in ("blobServiceUri", "clientId", "credential", "queueServiceUri", "tableServiceUri")
    ),
}
needs_bicep = pytest.mark.skipif(not os.environ.get("BICEP"), reason="BICEP does not name a Bicep compiler")


def template() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((INFRA / "main.json").read_text())
    return content


def resources(content: object) -> list[dict[str, Any]]:
    """All resources of a template and of those nested in it."""
    if isinstance(content, list):
        return [found for each in content for found in resources(each)]
    if not isinstance(content, dict):
        return []
    inner = [found for each in content.values() for found in resources(each)]
    return [content, *inner] if "apiVersion" in content and "type" in content else inner


def of_type(kind: str) -> list[dict[str, Any]]:
    return [each for each in resources(template()) if each["type"] == kind]


def settings_of_the_app() -> dict[str, Any]:
    (app,) = (each for each in resources(template()) if each.get("name") == "app")
    settings: dict[str, Any] = app["properties"]["parameters"]["settings"]["value"]
    return settings


def test_every_setting_that_the_app_reads_is_set_and_no_other() -> None:
    models = (Settings, TelemetrySettings)
    read = {field.alias for model in models for field in model.model_fields.values()} | {SETTING}
    assert set(NOT_SET) <= read
    assert set(settings_of_the_app()) == (read - set(NOT_SET)) | OF_THE_HOST


def test_the_app_reads_the_settings_as_they_are_written() -> None:
    """With each expression replaced by a value of its kind, as Azure gives it."""
    values = {
        name: value if not str(value).startswith("[") else "https://example.blob.core.windows.net/evidence"
        for name, value in settings_of_the_app().items()
    }
    an_id = "11111111-2222-3333-4444-555555555555"
    values |= {
        "ALLOWED_SCOPES": "/subscriptions/s1",
        "EVIDENCE_KEY": "https://kv-x.vault.azure.net/keys/evidence",
        "RUN_RETENTION_DAYS": "90",
        "TENANT_ID": an_id,
        "MAC_KEY": MAC_KEY,
    }
    assert TelemetrySettings.from_environment(values).target == "azure-monitor"
    entra = {"DOOR": "entra", "KEY_ROLES": "", "AUDIENCE": an_id, "WEBSITE_AUTH_ENABLED": "True"}
    keys = {"DOOR": "keys", "KEY_ROLES": template()["parameters"]["keyRoles"]["defaultValue"], "AUDIENCE": ""}
    assert Settings.from_environment(values | entra).door == "entra"
    assert Settings.from_environment(values | keys).door == "keys"


def test_the_key_of_seals_is_made_once_and_only_read_from_the_vault() -> None:
    (secret,) = of_type("Microsoft.KeyVault/vaults/secrets")
    assert secret["@options"] == {"onlyIfNotExists": []}
    (vault,) = of_type("Microsoft.KeyVault/vaults")
    assert vault["properties"]["enableRbacAuthorization"] is True
    assert vault["properties"]["enablePurgeProtection"] is True
    (site,) = of_type("Microsoft.Web/sites")
    assert site["properties"]["keyVaultReferenceIdentity"] == "[parameters('identityId')]"


def test_an_app_registration_makes_entra_the_door_and_none_makes_keys_the_door() -> None:
    settings = settings_of_the_app()
    assert settings["DOOR"] == "[if(empty(parameters('authClientId')), 'keys', 'entra')]"
    assert settings["KEY_ROLES"] == "[if(empty(parameters('authClientId')), parameters('keyRoles'), '')]"
    assert settings["AUDIENCE"] == "[parameters('authClientId')]"


def test_each_value_of_the_parameter_file_is_a_parameter_and_each_needed_one_has_a_value() -> None:
    known = template()["parameters"]
    given = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]
    assert set(given) <= set(known)
    assert {name for name, about in known.items() if "defaultValue" not in about} <= set(given)
    assert all(re.fullmatch(r"\$\{[A-Z_]+(=\w*)?\}", each["value"]) for each in given.values())


def test_no_storage_account_has_shared_keys_or_public_blobs() -> None:
    accounts = of_type("Microsoft.Storage/storageAccounts")
    assert len(accounts) == 2
    for account in accounts:
        assert account["properties"]["allowSharedKeyAccess"] is False
        assert account["properties"]["allowBlobPublicAccess"] is False


def test_topics_and_telemetry_take_no_key() -> None:
    (topic, *others) = of_type("Microsoft.EventGrid/topics")
    (component, *components) = of_type("Microsoft.Insights/components")
    assert topic["properties"]["disableLocalAuth"] is True
    assert component["properties"]["DisableLocalAuth"] is True
    assert not others
    assert not components


def test_the_app_runs_on_the_python_of_the_project_and_is_always_ready() -> None:
    (app,) = of_type("Microsoft.Web/sites")
    config = app["properties"]["functionAppConfig"]
    version = (ROOT / ".python-version").read_text().strip()
    assert config["runtime"] == {"name": "python", "version": ".".join(version.split(".")[:2])}
    ready = {each["name"] for each in config["scaleAndConcurrency"]["alwaysReady"]}
    assert ready == {"http", "durable"}


def test_failed_extensions_come_to_the_function_that_takes_them() -> None:
    delivery = json.dumps(template())
    assert "/functions/on_azure_event" in delivery
    assert '@bp.function_name("on_azure_event")' in (ROOT / "triggers/azure_events.py").read_text()
    assert '"eventDeliverySchema": "EventGridSchema"' in delivery


def test_the_page_names_every_role_and_every_parameter() -> None:
    page = (ROOT / "docs/deploy.md").read_text()
    assert [role for role in ROLES if f"`{role}`" not in page] == []
    assert [name for name in template()["parameters"] if f"`{name}`" not in page] == []


def roles_template() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((INFRA / "roles.json").read_text())
    return content


def test_the_template_of_the_roles_has_each_role_as_the_repository_has_it() -> None:
    roles = {path.stem: json.loads(path.read_text()) for path in (INFRA / "roles").glob("*.json")}
    variables = roles_template()["variables"]
    loaded = [value for name, value in variables.items() if name.startswith("$fxv#")]
    assert sorted(map(json.dumps, loaded)) == sorted(map(json.dumps, roles.values()))
    assert set(variables["names"]) == set(roles)


def test_what_prepare_may_assign_is_what_prepare_assigns() -> None:
    template = roles_template()
    granted = {role for _, role, _, _ in needed_grants(site(), "cluster", "vault")}
    assert set(template["variables"]["grantable"]) == granted
    assert "StringEqualsIgnoreCase {'ServicePrincipal'}" in template["variables"]["onlyServices"]
    (module,) = (each for each in template["resources"].values() if each["type"] == "Microsoft.Resources/deployments")
    assert (
        "'prepare'), createObject('value', variables('condition'))" in module["properties"]["parameters"]["condition"]
    )


def test_nobody_gets_a_built_in_role_that_can_change_everything() -> None:
    everything = {OWNER, CONTRIBUTOR, "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"}
    main_template = (INFRA / "main.json").read_text()
    assert [role for role in everything if role in main_template] == []


@needs_bicep
def test_the_compiled_template_is_what_the_compiler_makes_without_a_warning() -> None:
    assert main([], os.environ["BICEP"]) == 0


@needs_bicep
def test_a_warning_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "main.bicep").write_text("param unused string\n")
    assert main(["--write"], os.environ["BICEP"], tmp_path) == 1
    assert "no-unused-params" in capsys.readouterr().err
    assert not (tmp_path / "main.json").exists()


@needs_bicep
def test_another_template_than_the_committed_one_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "main.bicep").write_text("output one int = 1\n")
    (tmp_path / "main.json").write_text("{}")
    assert main([], os.environ["BICEP"], tmp_path) == 1
    assert "not what main.bicep makes" in capsys.readouterr().err


def test_without_a_compiler_one_line_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], "") == 0
    assert capsys.readouterr().out == "infra: not compiled and not linted, BICEP does not name a Bicep compiler\n"


def test_a_compiler_that_is_not_there_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], "/nowhere/bicep") == 1
    assert "/nowhere/bicep" in capsys.readouterr().err
