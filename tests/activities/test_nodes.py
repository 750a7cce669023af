"""Nodes are looked at before anything is done to them, and nothing is done twice."""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest

from activities.nodes import (
    SCRIPTS,
    create_extension,
    read_nodes,
    read_script,
    remove_extension,
    remove_script,
    run_script,
    script_text,
)
from shared.errors import Refused, Transient
from shared.healing.contract import (
    CreateExtension,
    ReadNodes,
    ReadScript,
    RemoveExtension,
    RemoveScript,
    RunScript,
    ScriptName,
)
from shared.sites.nodes import ExtensionView
from tests.shared.azure.fake import FakeArm, Reply, listed

CLUSTER = "/subscriptions/s1/resourceGroups/rg-hci/providers/Microsoft.AzureStackHCI/clusters/hci-01"
MACHINE = "/subscriptions/s1/resourceGroups/rg-arc/providers/Microsoft.HybridCompute/machines/n1"
EXTENSION = f"{MACHINE}/extensions/AzureSiteRecovery"
GONE = Reply(404, {"error": {"code": "ResourceNotFound", "message": "gone"}})
SAVED = ExtensionView(
    id=EXTENSION,
    name="AzureSiteRecovery",
    provisioning_state="Failed",
    location="westeurope",
    settings={"ResourceName": "vault-dr"},
)


def machine(name: str = "n1", cluster: str = CLUSTER) -> dict[str, Any]:
    properties = {"status": "Connected", "agentVersion": "1.52", "parentClusterResourceId": cluster}
    return {"id": MACHINE.replace("n1", name), "name": name, "location": "westeurope", "properties": properties}


def extension(state: str = "Failed", kind: str = "Microsoft.SiteRecovery.Dra") -> dict[str, Any]:
    properties = {
        "publisher": kind,
        "type": "windows",
        "provisioningState": state,
        "typeHandlerVersion": "1.0.0.4",
        "settings": {"ResourceName": "vault-dr"},
        "instanceView": {"status": {"code": "13", "level": "Error", "message": "RegisterAsr.ps1 failed"}},
    }
    return {"id": EXTENSION, "name": "AzureSiteRecovery", "location": "westeurope", "properties": properties}


async def test_a_clusters_nodes_are_its_own_arc_machines_wherever_they_are(arm: FakeArm) -> None:
    others = machine("x1", CLUSTER.replace("hci-01", "hci-02"))
    alone = {**machine("x2"), "properties": {"status": "Connected", "parentClusterResourceId": None}}
    arm.says("GET", "/machines", listed(machine("n2", CLUSTER.upper()), others, alone, machine("n1")))
    arm.says("GET", "/extensions", listed(extension(kind="Microsoft.Azure.Monitor"), extension()))
    seen = await read_nodes(ReadNodes(cluster_id=CLUSTER))
    assert [node.name for node in seen.nodes] == ["n1", "n2"]
    found = seen.nodes[0].extension
    assert found is not None
    assert (found.provisioning_state, found.code, found.message) == ("Failed", "13", "RegisterAsr.ps1 failed")
    assert {one.query["$expand"] for one in arm.sent("GET", "/extensions")} == {"instanceView"}


async def test_one_machine_tells_its_cluster_and_azures_time(arm: FakeArm) -> None:
    arm.says("GET", "/machines/n1", Reply(200, machine(), {"Date": "Sun, 22 Nov 2026 10:00:30 GMT"}))
    arm.says("GET", "/extensions", listed())
    seen = await read_nodes(ReadNodes(machine_id=MACHINE))
    assert (seen.nodes[0].cluster_id, seen.nodes[0].extension) == (CLUSTER, None)
    assert seen.at == datetime(2026, 11, 22, 10, 0, 30, tzinfo=UTC)


async def test_what_is_no_cluster_is_refused(arm: FakeArm) -> None:
    with pytest.raises(Refused, match="not-a-cluster"):
        await read_nodes(ReadNodes(cluster_id="hci-01"))


@pytest.mark.parametrize(
    ("found", "times"), [(Reply(200, extension()), 1), (Reply(200, extension("Deleting")), 0), (GONE, 0)]
)
async def test_only_an_extension_that_is_there_is_uninstalled(arm: FakeArm, found: Reply, times: int) -> None:
    arm.says("GET", "/AzureSiteRecovery", found)
    arm.says("DELETE", "/AzureSiteRecovery", Reply(202))
    await remove_extension(RemoveExtension(extension_id=EXTENSION, operation="op-1"))
    assert len(arm.sent("DELETE", EXTENSION)) == times


async def test_an_extension_is_made_again_from_what_was_saved(arm: FakeArm) -> None:
    arm.says("GET", "/AzureSiteRecovery", GONE)
    arm.says("PUT", "/AzureSiteRecovery", Reply(202))
    await create_extension(CreateExtension(machine_id=MACHINE, operation="op-1", saved=SAVED))
    (sent,) = arm.sent("PUT", EXTENSION)
    assert sent.body == {
        "location": "westeurope",
        "properties": {
            "publisher": "Microsoft.SiteRecovery.Dra",
            "type": "Windows",
            "enableAutomaticUpgrade": True,
            "settings": {"ResourceName": "vault-dr"},
        },
    }


async def test_an_extension_that_came_back_by_itself_is_left_alone(arm: FakeArm) -> None:
    arm.says("GET", "/AzureSiteRecovery", Reply(200, extension("Creating")))
    await create_extension(CreateExtension(machine_id=MACHINE, operation="op-1", saved=SAVED))
    assert arm.sent("PUT", EXTENSION) == []


def running(name: str = "op-1-sync") -> RunScript:
    return RunScript(machine_id=MACHINE, name=name, script="sync-cluster", operation="op-1")


async def test_a_script_is_sent_with_its_text_and_its_limit(arm: FakeArm) -> None:
    arm.says("GET", "/op-1-sync", GONE)
    arm.says("GET", "/machines/n1", Reply(200, machine()))
    arm.says("PUT", "/op-1-sync", Reply(201, {"properties": {"provisioningState": "Creating"}}))
    await run_script(running())
    (sent,) = arm.sent("PUT", f"{MACHINE}/runCommands/op-1-sync")
    assert sent.body == {
        "location": "westeurope",
        "properties": {
            "source": {"script": script_text("sync-cluster")},
            "asyncExecution": False,
            "timeoutInSeconds": 600,
        },
    }


async def test_a_run_command_that_exists_is_not_put_again(arm: FakeArm) -> None:
    """Each PUT would run the script again."""
    arm.says("GET", "/op-1-sync", Reply(200, {"properties": {"provisioningState": "Creating"}}))
    await run_script(running())
    assert arm.sent("PUT", "/op-1-sync") == []


def view(**instance: Any) -> Reply:
    return Reply(200, {"name": "x", "properties": {"provisioningState": "Succeeded", "instanceView": instance}})


BUSY = Reply(409, {"error": {"code": "HCRP409", "message": "The machine is still processing."}})
LOCKED = Reply(409, {"error": {"code": "ScopeLocked", "message": "The scope is locked."}})
CHANGES: dict[str, tuple[str, Reply, Callable[[], Awaitable[Any]]]] = {
    "uninstall": (
        "DELETE",
        Reply(200, extension()),
        lambda: remove_extension(RemoveExtension(extension_id=EXTENSION, operation="op-1")),
    ),
    "install": (
        "PUT",
        GONE,
        lambda: create_extension(CreateExtension(machine_id=MACHINE, operation="op-1", saved=SAVED)),
    ),
    "run": ("PUT", GONE, lambda: run_script(running())),
    "tidy": (
        "DELETE",
        view(),
        lambda: remove_script(RemoveScript(machine_id=MACHINE, name="op-1-sync", operation="op-1")),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(("answer", "error"), [(BUSY, Transient), (LOCKED, Refused)], ids=["busy", "locked"])
async def test_what_passes_is_asked_again_and_what_says_no_is_final(
    arm: FakeArm, change: str, answer: Reply, error: type[Exception]
) -> None:
    method, found, do_change = CHANGES[change]
    name = EXTENSION if change in {"uninstall", "install"} else "/op-1-sync"
    arm.says("GET", name, found)
    arm.says("GET", "/machines/n1", Reply(200, machine()))
    arm.says(method, name, answer)
    with pytest.raises(error, match=r"HCRP409|ScopeLocked"):
        await do_change()
    assert len(arm.sent(method, name)) == 1


async def test_a_put_whose_answer_is_lost_is_not_sent_again_by_itself(arm: FakeArm) -> None:
    arm.says("GET", "/op-1-sync", GONE)
    arm.says("GET", "/machines/n1", Reply(200, machine()))
    arm.says("PUT", "/op-1-sync", Reply(lost=True))
    with pytest.raises(Transient, match="did not answer"):
        await run_script(running())
    assert len(arm.sent("PUT", "/op-1-sync")) == 1


@pytest.mark.parametrize(
    ("output", "result"),
    [
        ('Read on n1.\n{"dra": "Running", "registration": null}\n\n', {"dra": "Running", "registration": None}),
        ('{"cut off...\n', None),
        ("no json at all", None),
        ("[1, 2]", None),
        ("", None),
        (None, None),
    ],
)
async def test_a_scripts_result_is_the_object_on_its_last_line(arm: FakeArm, output: str | None, result: Any) -> None:
    arm.says("GET", "/x", view(executionState="Succeeded", exitCode=0, output=output))
    seen = await read_script(ReadScript(machine_id=MACHINE, name="x"))
    assert (seen.state, seen.exit_code, seen.result, seen.has_ended) == ("Succeeded", 0, result, True)


async def test_delivered_is_not_the_same_as_run_well(arm: FakeArm) -> None:
    arm.says("GET", "/x", view(executionState="Failed", exitCode=1, output="", error="it broke"))
    seen = await read_script(ReadScript(machine_id=MACHINE, name="x"))
    assert (seen.state, seen.exit_code, seen.error) == ("Failed", 1, "it broke")


async def test_a_script_without_an_instance_view_is_unknown_and_goes_on(arm: FakeArm) -> None:
    arm.says("GET", "/x", Reply(200, {"properties": {"provisioningState": "Creating"}}))
    seen = await read_script(ReadScript(machine_id=MACHINE, name="x"))
    assert (seen.state, seen.has_ended) == ("Unknown", False)


async def test_a_run_command_that_is_gone_is_missing(arm: FakeArm) -> None:
    arm.says("GET", "/x", GONE)
    assert (await read_script(ReadScript(machine_id=MACHINE, name="x"))).state == "Missing"


@pytest.mark.parametrize(("found", "times"), [(view(executionState="Succeeded"), 1), (GONE, 0)])
async def test_only_a_run_command_that_is_there_is_deleted(arm: FakeArm, found: Reply, times: int) -> None:
    arm.says("GET", "/x", found)
    arm.says("DELETE", "/x", Reply(202))
    await remove_script(RemoveScript(machine_id=MACHINE, name="x", operation="op-1"))
    assert len(arm.sent("DELETE", f"{MACHINE}/runCommands/x")) == times


@pytest.mark.parametrize("name", get_args(ScriptName))
def test_a_script_says_its_name_and_answers_with_one_line_of_json(name: ScriptName) -> None:
    lines = script_text(name).splitlines()
    assert re.fullmatch(rf"# hci-site-recovery: {name} v\d+", lines[0])
    statement = next(line for line in reversed(lines) if line and line[0] not in " })")  # the last one of the script
    by_function = statement.startswith("ConvertTo-Line ") and "$Facts -Compress" in script_text(name)
    assert "ConvertTo-Json -Compress" in lines[-1] or by_function
    assert "$ErrorActionPreference = 'Stop'" in lines


def test_the_script_that_only_looks_changes_nothing() -> None:
    changing = r"\b(Set|New|Remove|Start|Stop|Restart|Clear|Add|Invoke|Sync|Register|Install)-(?!StrictMode)\w+"
    assert re.findall(changing, script_text("read-registration")) == []


def test_every_script_of_the_folder_is_one_that_can_be_asked_for() -> None:
    assert {Path(script).stem for script in SCRIPTS.glob("*.ps1")} == set(get_args(ScriptName))
