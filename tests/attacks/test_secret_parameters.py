"""Secrets of plans: references to key vaults are read where they are used; what stands in clear is refused."""

import json
from typing import Any, Literal

import pytest
from pydantic import ValidationError

from activities.hooks import begin_hook_work, end_hook_work
from shared.azure.clients import close_azure
from shared.azure.key_vault import read_secret
from shared.errors import Refused, Transient
from shared.plans.hooks import Hook
from shared.plans.plan import PlanDocument
from shared.recovery.contract import BeginHookWork
from shared.recovery.hook_work import hook_work_of
from shared.secret_references import parse_reference
from tests.activities.conftest import lab, server
from tests.activities.lab import Lab
from tests.attacks.secret_shapes import TEXTS, Shape
from tests.shared.azure.fake import FakeArm, Reply, standing

__all__ = ["lab", "server"]
SUB = "/subscriptions/11111111-1111-1111-1111-111111111111"
JUMP = f"{SUB}/resourceGroups/rg-hci-arc/providers/Microsoft.HybridCompute/machines/jump-01"
RUNBOOK = f"{SUB}/resourceGroups/rg-dr/providers/Microsoft.Automation/automationAccounts/aa-dr/runbooks/Switch-Dns"
SCRIPT = {"name": "s", "kind": "run-command", "machine": JUMP}
PASSWORD = "Sesame-4711"


def faults_of_hook(**fields: Any) -> list[tuple[str, str]]:
    try:
        Hook.model_validate({**SCRIPT, "script": "exit 0", **fields})
    except ValidationError as error:
        return [(".".join(map(str, one["loc"])), one["type"]) for one in error.errors()]
    return []


@pytest.mark.parametrize(
    "name", ["AdminKey", "Pwd", "Cred", "Password", "Token", "key1", "ApiKey", "ConnStr", "SasUri", "Secret", "PfxBlob"]
)
def test_a_parameter_that_is_called_a_secret_is_refused_in_clear(name: str) -> None:
    assert faults_of_hook(parameters={name: "hunter2"}) == [(f"parameters.{name}", "parameter_secret")]
    assert faults_of_hook(parameters={name: "@kv:kv-dr/orders-password"}) == []


@pytest.mark.parametrize("shape", TEXTS, ids=lambda shape: str(shape.given)[:40])
def test_a_value_that_looks_like_a_secret_is_refused(shape: Shape) -> None:
    sentences = ("the key is ", "the password", "password for", "Password for", "Basic ", "Bearer ")
    if any(sentence in shape.given for sentence in sentences):
        pytest.skip("a sentence or a header: redacted where it is kept, and no value that a parameter has")
    assert ("parameters.Text", "parameter_secret") in faults_of_hook(parameters={"Text": shape.given})


@pytest.mark.parametrize(
    "value", ["orders", "https://x.example/a?y=1", "1433", "SiteName=a", JUMP, '{"zone": "contoso"}']
)
def test_other_values_are_taken(value: str) -> None:
    assert faults_of_hook(parameters={"Name": value, "KeyVaultName": "kv-dr", "SecretName": value}) == []


@pytest.mark.parametrize(
    "script",
    [
        "$Password = 'hunter2'",
        '$env:API_TOKEN = "hunter2"',
        "New-ADUser bob -Password hunter2",
        "tool --password=hunter2",
        "export DB_PASSWORD=hunter2",
        "Invoke-RestMethod https://u:hunter2@x.example/",
        'curl -H "x-api-key: hunter2" https://x.example',
        "-----BEGIN PRIVATE KEY-----\nMIIE",
        "$c = 'Server=x;Password=hunter2'",
    ],
)
def test_a_script_with_a_secret_in_it_is_refused(script: str) -> None:
    assert faults_of_hook(script=script) == [("script", "script_secret")]
    items = [{"vm": "a", "probes": [{"kind": "run-command", "script": script}]}]
    with pytest.raises(ValidationError, match="kept in clear"):
        PlanDocument.model_validate({"site": "s", "items": items})


@pytest.mark.parametrize(
    "script",
    [
        "param($Password) $s = ConvertTo-SecureString $Password -AsPlainText -Force",
        "$Password = Get-AzKeyVaultSecret -VaultName kv -Name x -AsPlainText",
        "$token = (Get-AzAccessToken).Token",
        'New-ADUser bob -Password $Password -Token "$token"',
        "PASSWORD=$1; export TOKEN=$(cat /run/token)",
        "# password: ask the operator\nStop-Service App",
        "Write-Output 'the key of the registry'",
        "if ($null -eq $Credential) { exit 3 }",
    ],
)
def test_a_script_that_fetches_its_secret_is_taken(script: str) -> None:
    assert faults_of_hook(script=script) == []


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("@kv:kv-dr/a-1", ("kv-dr", "a-1", "", "vault.azure.net")),
        ("@kv:KV-DR/a", ("kv-dr", "a", "", "vault.azure.net")),
        (f"@kv:kv-dr/a/{'0' * 32}", ("kv-dr", "a", "0" * 32, "vault.azure.net")),
        ("@kv:https://kv-dr.vault.azure.net/secrets/a", ("kv-dr", "a", "", "vault.azure.net")),
        ("@kv:https://kv-dr.vault.azure.cn/secrets/a/", ("kv-dr", "a", "", "vault.azure.cn")),
    ],
)
def test_references_are_read(text: str, read: tuple[str, ...]) -> None:
    assert parse_reference(text) == read


@pytest.mark.parametrize(
    "place",
    [
        "",
        "kv-dr",
        "kv-dr/",
        "kv-dr/a/b",
        "kv--dr/a",
        "1kv/a",
        "kv-dr/../x",
        "kv-dr/a?x=1",
        "evil.example/a",
        "https://evil.example/secrets/a",
        "https://kv-dr.vault.azure.net.evil.example/secrets/a",
        "https://evil.example#kv-dr.vault.azure.net/secrets/a",
        "https://u@kv-dr.vault.azure.net/secrets/a",
        "https://kv-dr.vault.azure.net:444/secrets/a",
        "http://kv-dr.vault.azure.net/secrets/a",
        "https://kv-dr.vault.azure.net/keys/a",
        "https://kv-dr.vault.azure.net/secrets/a?api-version=1",
        "https://management.azure.com/secrets/a",
        "kv-dr/a\nkv-dr/b",
    ],
)
def test_nothing_else_is_a_reference(place: str) -> None:
    assert faults_of_hook(parameters={"Name": f"@kv:{place}"}) == [("parameters.Name", "secret_reference_unfit")]


def begin_work(kind: Literal["run-command", "runbook"], **fields: Any) -> BeginHookWork:
    target = JUMP if kind == "run-command" else RUNBOOK
    named = {"machine": JUMP, "script": fields.pop("script", "")} if kind == "run-command" else {"runbook": RUNBOOK}
    hook = Hook.model_validate({"name": "h", "kind": kind, **named, **fields})
    work = hook_work_of("op-1", "op-1:failover:before:0", hook)
    assert work is not None
    assert work.target == target
    return BeginHookWork(**work.model_dump(), script=hook.script, parameters=hook.parameters)


async def test_a_script_gets_the_secret_and_nothing_shows_it(lab: Lab) -> None:
    """Though the script writes it, and the plan wants the output kept."""
    work = begin_work(
        "run-command",
        script='Write-Output "{ `"why`": `"$Word`" }"\nWrite-Output "$Word for $Name"\nexit 3',
        parameters={"Word": "@kv:kv-dr/orders-password", "Name": "orders"},
        keepOutput=True,
        messageMember="why",
    )
    assert PASSWORD not in work.model_dump_json()
    await begin_hook_work(work)
    answer = await lab.work_ended(work)
    assert "[redacted] for orders" in answer.output
    assert PASSWORD not in answer.model_dump_json()
    assert PASSWORD not in json.dumps([lab.entries(), lab.state()])
    await end_hook_work(work)


async def test_a_runbook_gets_the_secret(lab: Lab) -> None:
    work = begin_work(
        "runbook", parameters={"Zone": "@kv:https://kv-dr.vault.azure.net/secrets/orders-password"}, keepOutput=True
    )
    await begin_hook_work(work)
    answer = await lab.work_ended(work)
    assert answer.output == "Zone [redacted] now answers with the addresses in Azure."


@pytest.mark.parametrize(
    ("reference", "change", "reason"),
    [
        ("@kv:kv-dr/nothing", {}, "SecretNotFound"),
        (f"@kv:kv-dr/orders-password/{'0' * 32}", {}, "SecretNotFound"),
        ("@kv:kv-dr/orders-password", {"access": False}, "Forbidden"),
        ("@kv:kv-dr/orders-password", {"disabled": ["orders-password"]}, "disabled"),
        ("@kv:kv-dr/orders-password", {"secrets": {"orders-password": ""}}, "is empty"),
    ],
)
async def test_a_secret_that_cannot_be_read_is_named_and_nothing_is_begun(
    lab: Lab, reference: str, change: dict[str, Any], reason: str
) -> None:
    lab.world(keyVaults={"kv-dr": change})
    work = begin_work("run-command", script="exit 0", parameters={"Word": reference})
    with pytest.raises(Refused, match=reason) as refused:
        await begin_hook_work(work)
    assert refused.value.code == "secret-unread"
    assert lab.mutations() == []


async def test_the_token_is_for_key_vaults_and_a_broken_answer_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async with standing(monkeypatch) as arm:
        arm.says("GET", "/secrets/a", Reply(200, {"value": "v"}), Reply(503), Reply(200, [1]), Reply(302, {}))
        assert await read_secret("@kv:kv-dr/a") == "v"
        assert tokens_of(arm) == ["https://vault.azure.net"]
        for _ in range(3):
            with pytest.raises(Transient):
                await read_secret("@kv:kv-dr/a")
        assert len(arm.sent("GET", "/keyvault/kv-dr/secrets/a")) == 4
        await close_azure()


def tokens_of(arm: FakeArm) -> list[str]:
    return [one.query["resource"] for one in arm.asked if one.path == "/msi/token"]
