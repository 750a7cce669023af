"""The activities against the simulated Azure, which is as strict as the real one."""

import asyncio
from datetime import datetime, timedelta

import pytest

from activities.nodes import create_extension, read_nodes, read_script, remove_extension, remove_script, run_script
from activities.probes import probe_vms
from activities.start_verbs import start_verbs
from activities.vault import read_items, read_providers, watch_jobs
from shared.azure.json_fields import Json
from shared.azure.vault import JOB_LIST_CAP, Vault
from shared.healing.contract import (
    CreateExtension,
    ReadNodes,
    ReadScript,
    RemoveExtension,
    RemoveScript,
    RunScript,
    ScriptName,
    ScriptView,
)
from shared.messages import VaultRef
from shared.plans.plan import Probe
from shared.recovery.contract import ProbeBatch, ProbeTarget
from shared.site_recovery.contract import ItemStart, JobEnd, ReadItems, ReadProviders, StartsMade, StartVerbs, WatchJobs
from shared.site_recovery.verb_rules import has_settled
from shared.site_recovery.views import ItemView, Verb
from shared.sites.nodes import NodeView
from tests.activities.lab import Lab

SUBSCRIPTION = "/subscriptions/11111111-1111-1111-1111-111111111111"
VAULT = VaultRef.from_id(f"{SUBSCRIPTION}/resourceGroups/rg-dr/providers/Microsoft.RecoveryServices/vaults/vault-dr")
NETWORK = f"{SUBSCRIPTION}/resourceGroups/rg-dr-net/providers/Microsoft.Network/virtualNetworks/vnet-drill"
CLUSTER = f"{SUBSCRIPTION}/resourceGroups/rg-hci/providers/Microsoft.AzureStackHCI/clusters/hci-01"


async def items(*vms: str) -> list[ItemView]:
    return list((await read_items(ReadItems(vault=VAULT, vms=vms))).items)


async def begin(
    lab: Lab,
    verb: Verb,
    views: list[ItemView],
    operation: str = "op-1",
    starts: tuple[ItemStart, ...] = (),
    since: datetime | None = None,
) -> StartsMade:
    starts = starts or tuple(ItemStart(vm=view.vm, item_id=view.id) for view in views)
    since = since or lab.now() - timedelta(minutes=1)
    ask = StartVerbs(vault=VAULT, operation=operation, verb=verb, starts=starts, since=since, network_id=NETWORK)
    return await start_verbs(ask)


async def ends(lab: Lab, made: StartsMade) -> list[JobEnd]:
    jobs, since = tuple(answer.job for answer in made.answers), lab.now() - timedelta(minutes=1)

    async def look() -> list[JobEnd] | None:
        seen = (await watch_jobs(WatchJobs(vault=VAULT, jobs=jobs, since=since))).ended
        return list(seen) if len(seen) == len(jobs) else None

    return await lab.until(look)


async def test_a_drill_and_its_cleanup(lab: Lab) -> None:
    views = await items("sql-01", "web-01")
    up = await ends(lab, await begin(lab, "TestFailover", views))
    assert {end.azure_vm for end in up} == {"sql-01-test", "web-01-test"}
    targets = tuple(
        ProbeTarget(vm=v.vm, azure_vm=f"{v.vm}-test", target_group=v.target_group, probes=(Probe(port=port),))
        for v, port in zip(views, (7433, 7880), strict=True)
    )
    tried = (await probe_vms(ProbeBatch(targets=targets))).answers
    assert [answer.passed for answer in tried] == [True, True], tried
    assert all(has_settled("TestFailover", view) for view in await items("sql-01", "web-01"))
    over = await ends(lab, await begin(lab, "TestFailoverCleanup", views))
    assert {end.outcome for end in over} == {"succeeded"}
    assert all(has_settled("TestFailoverCleanup", view) for view in await items("sql-01", "web-01"))
    gone = (await probe_vms(ProbeBatch(targets=targets))).answers
    assert {answer.detail for answer in gone} == {"sql-01-test is not there yet", "web-01-test is not there yet"}


async def test_away_and_home_again(lab: Lab) -> None:
    journey: list[tuple[Verb, str]] = [
        ("PlannedFailover", "away"),
        ("Commit", "away"),
        ("Failback", "home"),
        ("Commit", "home"),
        ("ReverseReplicate", "home"),
    ]
    for verb, operation in journey:
        made = await begin(lab, verb, await items("sql-01"), operation)
        assert [answer.outcome for answer in made.answers] == ["started"], (verb, made)
        assert [end.outcome for end in await ends(lab, made)] == ["succeeded"], verb

        async def look(verb: Verb = verb) -> bool | None:
            return has_settled(verb, (await items("sql-01"))[0]) or None

        await lab.until(look)
    (view,) = await items("sql-01")
    assert (view.protection_state, view.active_location) == ("Protected", "Primary")


@pytest.mark.parametrize("effect", [{"lose": "connection"}, {"lose": 503}, {"reset": "after"}])
async def test_a_lost_answer_does_not_send_the_verb_twice(lab: Lab, effect: dict[str, object]) -> None:
    lab.faults({"match": {"method": "POST", "path": "*/testFailover", "times": 1}, "effect": effect})
    views = await items("sql-01")
    lost = await begin(lab, "TestFailover", views)
    assert [answer.outcome for answer in lost.answers] == ["unanswered"]
    found = await begin(lab, "TestFailover", views)
    assert [answer.outcome for answer in found.answers] == ["started"]
    assert len(await ends(lab, found)) == 1
    assert len(lab.ledger("testFailover")) == 1


async def test_a_second_verb_is_held_back_while_the_first_runs(lab: Lab) -> None:
    """The vault itself would take it, and fail its job with 532 minutes later."""
    views = await items("sql-01")
    await begin(lab, "TestFailover", views)
    second = await begin(lab, "PlannedFailover", views, "op-2")
    assert [(answer.outcome, answer.code) for answer in second.answers] == [("busy", "item-busy")]
    assert lab.ledger("plannedFailover") == []


async def test_two_workers_that_do_one_start_at_once_have_one_effect(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Site Recovery has no guard: who looks before the other has sent sends as well, and that job ends in 532.

    Whichever of the two answers is kept, the next attempt finds the job that does the work, and sends nothing.
    """
    both_looked, list_jobs = asyncio.Barrier(2), Vault.list_jobs

    async def together(vault: Vault, since: datetime, state: str = "") -> list[Json]:
        jobs = await list_jobs(vault, since, state)
        await both_looked.wait()
        return jobs

    views, since = await items("sql-01"), lab.now()
    with monkeypatch.context() as patch:
        patch.setattr(Vault, "list_jobs", together)
        made = await asyncio.gather(*(begin(lab, "PlannedFailover", views) for _ in range(2)))
    jobs = {one.job for each in made for one in each.answers}
    assert lab.ledger("plannedFailover") == ["sql-01"] * 2
    found = [end for each in made for end in await ends(lab, each)]
    assert sorted((end.outcome, end.code) for end in found) == [("failed", "532"), ("succeeded", "")]
    again = ItemStart(vm="sql-01", item_id=views[0].id, attempt=2, adopts_from=1)
    third = await begin(lab, "PlannedFailover", views, starts=(again,), since=since)
    assert [one.job for one in third.answers] == [end.job for end in found if end.outcome == "succeeded"]
    assert len(jobs) == len(lab.ledger("plannedFailover")) == 2


async def test_a_second_worker_that_comes_after_the_first_has_sent_sends_nothing(lab: Lab) -> None:
    views = await items("sql-01", "dc-01")
    first, second = [await begin(lab, "PlannedFailover", views) for _ in range(2)]
    assert first.answers == second.answers
    assert sorted(lab.ledger("plannedFailover")) == ["dc-01", "sql-01"]


async def test_a_failed_job_tells_its_code(lab: Lab) -> None:
    wish = {"match": {"path": "*/testFailover"}, "effect": {"job": {"fail": "28031"}}}
    lab.faults(wish)
    (end,) = await ends(lab, await begin(lab, "TestFailover", await items("sql-01")))
    assert (end.outcome, end.code) == ("failed", "28031")
    assert end.detail


async def test_a_vault_that_throttles_is_given_its_time(lab: Lab) -> None:
    throttle = {"status": 429, "headers": {"Retry-After": "17"}}
    lab.faults({"match": {"path": "*/testFailover", "times": 1}, "effect": throttle})
    views = await items("sql-01")
    made = await begin(lab, "TestFailover", views)
    assert ([a.outcome for a in made.answers], made.retry_after) == (["unanswered"], timedelta(seconds=17))
    assert [answer.outcome for answer in (await begin(lab, "TestFailover", views)).answers] == ["started"]


async def node(name: str) -> NodeView:
    return next(one for one in (await read_nodes(ReadNodes(cluster_id=CLUSTER))).nodes if one.name == name)


async def ran(lab: Lab, machine_id: str, script: ScriptName, name: str) -> ScriptView:
    await run_script(RunScript(machine_id=machine_id, name=name, script=script, operation="op-1"))

    async def look() -> ScriptView | None:
        view = await read_script(ReadScript(machine_id=machine_id, name=name))
        return view if view.has_ended else None

    return await lab.until(look, timedelta(seconds=30))


async def test_a_node_is_healed_as_the_guide_says(lab: Lab) -> None:
    broken, helper = await node("hci-01-n2"), await node("hci-01-n1")
    assert broken.extension is not None
    assert "DRConfigurator.exe" in broken.extension.message
    await remove_extension(RemoveExtension(extension_id=broken.extension.id, operation="op-1"))

    async def gone() -> bool | None:
        return (await node("hci-01-n2")).extension is None or None

    await lab.until(gone)
    assert (await ran(lab, helper.id, "sync-cluster", "op-1-sync")).exit_code == 0

    async def back() -> bool | None:
        extension = (await node("hci-01-n2")).extension
        return (extension is not None and extension.provisioning_state == "Succeeded") or None

    await lab.until(back)
    seen = await ran(lab, broken.id, "read-registration", "op-1-read")
    assert seen.result is not None
    assert seen.result["dra"] == "Running"
    assert "vault-dr" in seen.result["registration"].values()
    hosts = await read_providers(ReadProviders(vault=VAULT, fabric="hci-01-site"))
    assert {host.host: host.connected for host in hosts.providers}["hci-01-n2"]
    assert all(
        host.heartbeat is not None and host.heartbeat <= hosts.at + timedelta(seconds=1) for host in hosts.providers
    )


async def test_an_extension_can_be_made_again_by_hand(lab: Lab) -> None:
    broken = await node("hci-01-n2")
    assert broken.extension is not None
    await remove_extension(RemoveExtension(extension_id=broken.extension.id, operation="op-1"))

    async def gone() -> bool | None:
        return (await node("hci-01-n2")).extension is None or None

    await lab.until(gone)
    ask = CreateExtension(machine_id=broken.id, operation="op-1", saved=broken.extension)
    await create_extension(ask)
    await create_extension(ask)
    assert len(lab.ledger("extensions/write")) == 1
    again = (await node("hci-01-n2")).extension
    assert again is not None
    assert again.settings == broken.extension.settings


async def test_a_run_command_runs_once_and_is_removed(lab: Lab) -> None:
    helper = await node("hci-01-n1")
    await ran(lab, helper.id, "read-registration", "op-1-read")
    await ran(lab, helper.id, "read-registration", "op-1-read")
    assert len(lab.ledger("runCommands/write")) == 1
    await remove_script(RemoveScript(machine_id=helper.id, name="op-1-read", operation="op-1"))

    async def gone() -> bool | None:
        view = await read_script(ReadScript(machine_id=helper.id, name="op-1-read"))
        return (view.state == "Missing") or None

    await lab.until(gone)


async def test_more_jobs_than_the_service_lists_are_all_found_and_adopted(lab: Lab) -> None:
    lab.reset("fleet", vms=JOB_LIST_CAP + 40, clusters=1)
    views = await items()
    made = []
    for n in range(0, len(views), 50):
        made.append(await begin(lab, "TestFailover", views[n : n + 50]))
        lab.advance(timedelta(seconds=10))  # a subscription takes ten writes a second
    assert {answer.outcome for one in made for answer in one.answers} == {"started"}
    since = lab.now() - timedelta(hours=1)
    names = {job["name"] for job in await Vault(VAULT).list_jobs(since)}
    assert {answer.job for one in made for answer in one.answers} <= names
    again = await begin(lab, "TestFailover", views[:50])
    assert [answer.job for answer in again.answers] == [answer.job for answer in made[0].answers]
    assert len(lab.ledger("testFailover")) == JOB_LIST_CAP + 40
