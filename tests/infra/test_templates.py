"""What infra/ makes is what the app reads, and what docs/deploy.md says."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrators.onboarding.prepare_steps import needed_grants
from shared.onboarding.preflight.azure_rights import CONTRIBUTOR, OWNER
from shared.principals import ROLES
from shared.settings import Settings, TelemetrySettings
from tests.infra.templates import INFRA, ROOT, deploy_main, of_type, read_template
from tests.seals import MAC_KEY
from tests.shared.samples import site
from tools.infra import main
from triggers.timer_schedule import SETTING

NOT_SET = {
    "ARM_PACE": "the clock of the lab only",
    "EVENTGRID_TOPIC_KEY": "the identity publishes, the topic takes no key",
    "MAC_KEY_BEFORE": "only while the key is changed, by hand",
    "WEBSITE_AUTH_ENABLED": "the platform sets it",
    "WEBSITE_HOSTNAME": "the platform sets it",
}
OF_THE_PLATFORM = {"OTEL_SERVICE_NAME": "OpenTelemetry's own, if somebody sets it", "WEBSITE_SITE_NAME": "of each app"}
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


def settings_of_the_app(**parameters: Any) -> dict[str, Any]:
    (settings,) = (
        each.document["properties"] for each in deploy_main(**parameters).resources if each.id.endswith("/appsettings")
    )
    return dict(settings)


def test_every_setting_that_the_app_reads_is_set_and_no_other() -> None:
    models = (Settings, TelemetrySettings)
    read = {field.alias for model in models for field in model.model_fields.values()} | {SETTING}
    assert set(NOT_SET) <= read
    assert set(settings_of_the_app()) == (read - set(NOT_SET)) | OF_THE_HOST


AN_ID = "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize(("client", "door"), [(AN_ID, "entra"), ("", "keys")])
def test_the_app_reads_the_settings_as_they_are_written(client: str, door: str) -> None:
    """The platform puts the secret in for its reference, and says itself whether its sign-in is on."""
    settings = settings_of_the_app(authClientId=client, allowedScopes="/subscriptions/s1")
    assert settings["MAC_KEY"].startswith("@Microsoft.KeyVault(")
    of_the_platform = {"MAC_KEY": MAC_KEY} | ({"WEBSITE_AUTH_ENABLED": "True"} if client else {})
    assert TelemetrySettings.from_environment(settings).target == "azure-monitor"
    read = Settings.from_environment(settings | of_the_platform)
    assert (read.door, read.audience) == (door, client)


def test_the_key_of_seals_is_made_once_and_only_read_from_the_vault() -> None:
    template = json.dumps(read_template("main"))
    assert template.count('"@options": {"onlyIfNotExists": []}') == 2
    (vault,) = of_type(deploy_main().resources, "Microsoft.KeyVault/vaults")
    assert vault["properties"]["enableRbacAuthorization"] is True
    assert vault["properties"]["enablePurgeProtection"] is True
    (app,) = of_type(deploy_main().resources, "Microsoft.Web/sites")
    assert app["properties"]["keyVaultReferenceIdentity"] in app["identity"]["userAssignedIdentities"]


def test_who_reads_the_key_of_seals_reads_no_other_secret() -> None:
    roles = [each for each in deploy_main().resources if each.type == "Microsoft.Authorization/roleAssignments"]
    on_vault = [each.id.partition("/providers/Microsoft.Authorization")[0] for each in roles if "/vaults/" in each.id]
    assert sorted(scope.rpartition("/vaults/")[2].partition("/")[2] for scope in on_vault) == [
        "keys/evidence",
        "secrets/mac-key",
    ]


def test_an_app_registration_makes_entra_the_door_and_none_makes_keys_the_door() -> None:
    entra, keys = settings_of_the_app(authClientId=AN_ID, keyRoles="Dr.Drill"), settings_of_the_app(keyRoles="Dr.Drill")
    assert (entra["DOOR"], entra["KEY_ROLES"], entra["AUDIENCE"]) == ("entra", "", AN_ID)
    assert (keys["DOOR"], keys["KEY_ROLES"], keys["AUDIENCE"]) == ("keys", "Dr.Drill", "")


def test_no_storage_account_has_shared_keys_or_public_blobs() -> None:
    accounts = of_type(deploy_main().resources, "Microsoft.Storage/storageAccounts")
    assert len(accounts) == 2
    for account in accounts:
        assert account["properties"]["allowSharedKeyAccess"] is False
        assert account["properties"]["allowBlobPublicAccess"] is False


def test_topics_and_telemetry_take_no_key() -> None:
    (topic,) = of_type(deploy_main().resources, "Microsoft.EventGrid/topics")
    (component,) = of_type(deploy_main().resources, "Microsoft.Insights/components")
    assert topic["properties"]["disableLocalAuth"] is True
    assert component["properties"]["DisableLocalAuth"] is True


@pytest.mark.parametrize(("zones", "instances"), [(False, 1), (True, 2)])
def test_the_app_runs_on_the_python_of_the_project_and_is_always_ready(*, zones: bool, instances: int) -> None:
    resources = deploy_main(zoneRedundant=zones).resources
    (app,) = of_type(resources, "Microsoft.Web/sites")
    (plan,) = of_type(resources, "Microsoft.Web/serverfarms")
    assert plan["properties"]["zoneRedundant"] is zones
    config = app["properties"]["functionAppConfig"]
    version = (ROOT / ".python-version").read_text().strip()
    assert config["runtime"] == {"name": "python", "version": ".".join(version.split(".")[:2])}
    ready = {each["name"]: each["instanceCount"] for each in config["scaleAndConcurrency"]["alwaysReady"]}
    assert ready == {"http": instances, "durable": instances}


def test_failed_extensions_come_to_the_function_that_takes_them() -> None:
    (subscription,) = of_type(
        deploy_main(subscribeToFailures=True).resources, "Microsoft.EventGrid/systemTopics/eventSubscriptions"
    )
    assert subscription["properties"]["destination"]["properties"]["resourceId"].endswith("/functions/on_azure_event")
    assert subscription["properties"]["eventDeliverySchema"] == "EventGridSchema"
    assert '@bp.function_name("on_azure_event")' in (ROOT / "triggers/azure_events.py").read_text()
    assert not of_type(deploy_main().resources, "Microsoft.EventGrid/systemTopics/eventSubscriptions")


def test_the_page_names_every_role_and_every_parameter() -> None:
    page = (ROOT / "docs/deploy.md").read_text()
    assert [role for role in ROLES if f"`{role}`" not in page] == []
    assert [name for name in read_template("main")["parameters"] if f"`{name}`" not in page] == []


def test_the_template_of_the_roles_has_each_role_as_the_repository_has_it() -> None:
    roles = {path.stem: json.loads(path.read_text()) for path in (INFRA / "roles").glob("*.json")}
    variables = read_template("roles")["variables"]
    loaded = [value for name, value in variables.items() if name.startswith("$fxv#")]
    assert sorted(map(json.dumps, loaded)) == sorted(map(json.dumps, roles.values()))
    assert set(variables["names"]) == set(roles)


def test_what_prepare_may_assign_is_what_prepare_assigns() -> None:
    template = read_template("roles")
    granted = {role for _, role, _, _ in needed_grants(site(), "cluster", "vault")}
    assert set(template["variables"]["grantable"]) == granted
    assert "StringEqualsIgnoreCase {'ServicePrincipal'}" in template["variables"]["onlyServices"]


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


ADOPTED = {
    "existingTopic": "Microsoft.EventGrid/topics",
    "existingKeyVault": "Microsoft.KeyVault/vaults",
    "existingWorkspace": "Microsoft.OperationalInsights/workspaces",
    "existingEvidenceStorage": "Microsoft.Storage/storageAccounts",
    "existingSystemTopic": "Microsoft.EventGrid/systemTopics",
}


def adopt(kind: str) -> str:
    return f"/subscriptions/00000000-0000-0000-0000-000000000009/resourceGroups/rg-there/providers/{kind}/theirs"


@pytest.mark.parametrize(("parameter", "kind"), ADOPTED.items())
def test_what_is_adopted_is_not_made_and_the_rights_are_given_where_it_is(parameter: str, kind: str) -> None:
    theirs = adopt(kind)
    before = deploy_main(subscribeToFailures=True).resources
    after = deploy_main(subscribeToFailures=True, **{parameter: theirs}).resources
    assert len(of_type(after, kind)) == len(of_type(before, kind)) - 1
    assert theirs not in [each.id for each in after]
    below = [each.id for each in after if each.id.startswith(f"{theirs}/")]
    assert below or parameter == "existingWorkspace"
    assert theirs in json.dumps([each.document for each in after]) or below


def test_all_is_adopted_at_once_and_the_app_uses_it() -> None:
    settings = settings_of_the_app(**{parameter: adopt(kind) for parameter, kind in ADOPTED.items()})
    assert settings["EVIDENCE_STORE"] == "https://theirs.blob.core.windows.net/evidence"
    assert settings["EVIDENCE_KEY"] == "https://theirs.vault.azure.net/keys/evidence"
    assert settings["MAC_KEY"] == "@Microsoft.KeyVault(VaultName=theirs;SecretName=mac-key)"
    assert settings["EVENTGRID_TOPIC_ENDPOINT"].startswith("https://theirs.")


def test_the_roles_of_the_app_registration_are_those_that_the_app_knows() -> None:
    roles = json.loads((INFRA / "app-roles.json").read_text())
    assert [one["value"] for one in roles] == list(ROLES)
    assert len({one["id"] for one in roles}) == len(roles)
    assert all(one["allowedMemberTypes"] == ["User", "Application"] and one["isEnabled"] for one in roles)


NAME_RULES = {
    "Microsoft.EventGrid/systemTopics": r"[A-Za-z0-9-]{3,50}",
    "Microsoft.EventGrid/topics": r"[A-Za-z0-9-]{3,50}",
    "Microsoft.Insights/actionGroups": r"[^:<>+/&%\\?|]{1,260}",
    "Microsoft.Insights/components": r"[^%&\\?/]{1,260}",
    "Microsoft.Insights/scheduledQueryRules": r"[^*<>%{}&:\\?/#]{1,260}",
    "Microsoft.KeyVault/vaults": r"[A-Za-z](?!.*--)[A-Za-z0-9-]{1,22}[A-Za-z0-9]",
    "Microsoft.ManagedIdentity/userAssignedIdentities": r"[A-Za-z0-9][A-Za-z0-9_-]{2,127}",
    "Microsoft.Network/networkSecurityGroups": r"[A-Za-z0-9][\w.-]{0,78}\w",
    "Microsoft.Network/privateEndpoints": r"[A-Za-z0-9][\w.-]{0,62}\w",
    "Microsoft.Network/virtualNetworks": r"[A-Za-z0-9][\w.-]{0,62}\w",
    "Microsoft.OperationalInsights/workspaces": r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]",
    "Microsoft.Storage/storageAccounts": r"[a-z0-9]{3,24}",
    "Microsoft.Web/serverfarms": r"[A-Za-z0-9-]{1,60}",
    "Microsoft.Web/sites": r"[A-Za-z0-9][A-Za-z0-9-]{0,58}[A-Za-z0-9]",
}
"""Source: Microsoft's page on naming rules and restrictions for Azure resources."""


@given(st.text(st.characters(codec="utf-8", blacklist_categories=["Cs"]), min_size=1, max_size=64))
@settings(max_examples=40, deadline=None)
def test_every_name_keeps_azures_rules_for_any_name_of_an_environment(environment: str) -> None:
    """azd takes letters, digits and hyphens, 64 of them; the template must not depend on that."""
    resources = deploy_main(
        environmentName=environment, network="private", privateApp=True, subscribeToFailures=True, alertEmails="a@x.org"
    ).resources
    ruled = [each for each in resources if each.type in NAME_RULES]
    assert {each.type for each in ruled} == set(NAME_RULES)
    wrong = [each.id for each in ruled if not re.fullmatch(NAME_RULES[each.type], each.document["name"])]
    assert wrong == []
    ids = [each.id.lower() for each in resources]
    assert len(ids) == len(set(ids))


def test_two_environments_in_one_group_share_no_global_name() -> None:
    kinds = {"Microsoft.Storage/storageAccounts", "Microsoft.KeyVault/vaults", "Microsoft.Web/sites"}
    one, other = (
        {each.id for each in deploy_main(environmentName=name).resources if each.type in kinds}
        for name in ("prod", "test")
    )
    assert not one & other


def test_packages_are_kept_by_who_deploys_and_by_nobody_else() -> None:
    blobs = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"

    def writers(**parameters: Any) -> set[str]:
        return {
            each.document["properties"]["principalId"]
            for each in deploy_main(**parameters).resources
            if each.type == "Microsoft.Authorization/roleAssignments"
            and "/storageAccounts/sthost" in each.id
            and "/containers/releases/" in each.id
            and each.document["properties"]["roleDefinitionId"].endswith(blobs)
        }

    assert writers() == set()
    assert writers(deployerId=AN_ID) == {AN_ID}
    resources = deploy_main(deployerId=AN_ID).resources
    elsewhere = [each.id for each in resources if AN_ID in json.dumps(each.document) and "/releases/" not in each.id]
    assert elsewhere == []
    containers = of_type(deploy_main().resources, "Microsoft.Storage/storageAccounts/blobServices/containers")
    assert {each["name"].rpartition("/")[2] for each in containers} == {"packages", "releases", "evidence"}


def test_every_variable_of_the_environment_that_is_read_by_name_is_set_or_stated() -> None:
    known = {str(field.alias) for field in Settings.model_fields.values()} | {SETTING}
    known |= OF_THE_HOST | set(OF_THE_PLATFORM)
    read = set()
    for folder in ("activities", "orchestrators", "shared", "triggers"):
        for path in (ROOT / folder).rglob("*.py"):
            found = re.findall(r"(?:environ(?:\.get|\.setdefault)?|getenv)[(\[](\"?\w+\"?)[,)\]]", path.read_text())
            read |= {SETTING if name == "SETTING" else name.strip('"') for name in found}
    assert read
    assert read <= known
    assert set(re.findall(r"%(\w+)%", (ROOT / "host.json").read_text())) <= known
