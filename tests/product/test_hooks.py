"""Hooks of a failover in the lab: a script, a step by hand and a runbook, while the host dies in the middle of it."""

from typing import Any

from tests.failures import failure_texts
from tests.product.conftest import Lab

SUB = "/subscriptions/11111111-1111-1111-1111-111111111111"
JUMP = f"{SUB}/resourceGroups/rg-hci-arc/providers/Microsoft.HybridCompute/machines/jump-01"
RUNBOOK = f"{SUB}/resourceGroups/rg-dr/providers/Microsoft.Automation/automationAccounts/aa-dr/runbooks/Switch-Dns"
SCRIPT: dict[str, Any] = {
    "name": "stop the service",
    "kind": "run-command",
    "machine": JUMP,
    "script": 'Start-Sleep -Seconds 300\nWrite-Output "stopped $Service"',
    "parameters": {"Service": "orders"},
    "deadline": "PT30M",
}
DNS: dict[str, Any] = {"name": "switch dns", "kind": "runbook", "runbook": RUNBOOK, "deadline": "PT1H"}
BY_HAND: dict[str, Any] = {"name": "tell the floor", "kind": "manual", "instructions": "Call 117.", "deadline": "P1D"}


def failover(lab: Lab, **hooks: Any) -> str:
    """Declare a plan of one VM with these hooks, and fail it over."""
    body = {"site": "hci-01", "items": [{"vm": "dc-01"}], "commit": "automatic", "hooks": {"failover": hooks}}
    declared = lab.api("PUT", "plans/small", body)
    assert declared.status in {200, 201}, declared.body
    reply = lab.api("POST", "plans/small/failover", {"type": "planned"})
    assert reply.status == 202, reply.body
    return str(reply.body["id"])


def mutations(lab: Lab) -> list[str]:
    return [verb for verb, _ in lab.verbs()]


def test_hooks_of_every_kind_are_done_once_in_their_order_though_the_host_dies(lab: Lab) -> None:
    good = {**DNS, "parameters": {"Zone": "contoso.com"}}
    run = failover(lab, before=[SCRIPT, BY_HAND], after=[good])
    lab.eventually(lambda: "runCommands/write" in mutations(lab))
    lab.servers.host.kill()
    lab.servers.host.start()
    lab.servers.host.await_healthy()
    waits = lab.waiting(run)
    assert (waits["waitingFor"]["kind"], waits["waitingFor"]["instructions"]) == ("resume", "Call 117.")
    assert [(hook["name"], hook["state"]) for hook in waits["hooks"]] == [("stop the service", "passed")]
    assert "plannedFailover" not in mutations(lab)
    assert lab.api("POST", f"operations/{run}/resume", {"comment": "called"}).status == 202
    ended = lab.ended(run)
    assert ended["state"] == "succeeded", failure_texts(ended)
    told = [(hook["name"], hook["moment"], hook["state"]) for hook in ended["hooks"]]
    assert told == [
        ("stop the service", "before", "passed"),
        ("tell the floor", "before", "passed"),
        ("switch dns", "after", "passed"),
    ]
    once = ["runCommands/write", "runCommands/delete", "plannedFailover", "jobs/write", "failoverCommit"]
    assert [verb for verb in mutations(lab) if verb in once] == once
    page = lab.api("GET", f"operations/{run}/report").body
    assert [text for text in ("stop the service", "switch dns", "called") if text not in page] == []


def test_a_hook_that_fails_before_leaves_the_plan_as_it_was(lab: Lab) -> None:
    fails = {"match": {"verb": "jobs/write"}, "effect": {"job": {"fail": "The zone is locked."}}}
    lab.azure("PUT", "faults", [fails])
    run = failover(lab, before=[DNS | {"parameters": {"Zone": "contoso.com"}}])
    ended = lab.ended(run)
    assert ended["state"] == "failed"
    assert "the job is Failed; see job " in failure_texts(ended)[0]
    assert "The zone is locked." not in str(ended)
    assert "plannedFailover" not in mutations(lab)
    assert lab.api("GET", "obligations?plan=small").body["value"] == []
    assert lab.api("POST", "plans/small/failover?preview=true", {"type": "planned"}).body["blockers"] == []


def test_a_plan_with_hooks_that_cannot_be_is_refused_with_every_field(lab: Lab) -> None:
    hooks = [{"name": "a", "kind": "runbook", "url": "https://x.example/"}, {"name": "b", "kind": "manual"}]
    body = {"site": "hci-01", "items": [{"vm": "dc-01"}], "hooks": {"failback": {"after": hooks}}}
    reply = lab.api("PUT", "plans/small", body)
    assert reply.status == 400
    fields = {error["field"].removeprefix("hooks.failback.") for error in reply.body["errors"]}
    assert fields == {"after[0].runbook", "after[0].url", "after[1].instructions"}


def test_a_secret_of_a_hook_is_in_nothing_that_the_run_leaves(lab: Lab) -> None:
    """Though its script writes it, fails, and has its output kept."""
    secret = {
        **SCRIPT,
        "script": 'Write-Output "{ `"why`": `"no $Word`" }"\nWrite-Error "password: $Word"\nexit 3',
        "parameters": {"Word": "@kv:kv-dr/orders-password"},
        "keepOutput": True,
        "messageMember": "why",
    }
    run = failover(lab, before=[secret])
    ended = lab.ended(run)
    assert ended["state"] == "failed"
    assert "the script ended Failed with 3; its output is in the evidence" in failure_texts(ended)[0]
    shown = [lab.api("GET", f"operations/{run}{more}").body for more in ("", "/report", "/report?format=table")]
    shown += [lab.api("GET", "operations").body, lab.api("GET", "plans/small").body, lab.azure("GET", "events")]
    assert "@kv:kv-dr/orders-password" in str(shown)
    assert "Sesame-4711" not in str(shown)
    state = lab.servers.host.log.parent
    kept = [path for path in state.rglob("*") if path.is_file() and not path.name.startswith("azure.sqlite")]
    assert {"host.sqlite", "host.log", "azure.log"} <= {path.name for path in kept}
    assert any(run in path.name or run in str(path.parent) for path in kept)
    assert [path.name for path in kept if b"Sesame-4711" in path.read_bytes()] == []


def test_secrets_in_clear_are_refused_with_their_fields(lab: Lab) -> None:
    hook = {**SCRIPT, "script": "$Password = 'hunter2'", "parameters": {"AdminKey": "hunter2", "Zone": "@kv:nowhere"}}
    body = {"site": "hci-01", "items": [{"vm": "dc-01"}], "hooks": {"failover": {"before": [hook]}}}
    reply = lab.api("PUT", "plans/small", body)
    assert reply.status == 400
    fields = {error["field"].rpartition("[0].")[2] for error in reply.body["errors"]}
    assert fields == {"script", "parameters.AdminKey", "parameters.Zone"}
    assert "@kv:<vault>/<secret>" in str(reply.body)
    assert "hunter2" not in str(reply.body)
