"""The script read-source on the simulated nodes, read as the product reads it."""

from datetime import timedelta

from activities.nodes import read_nodes, read_script, run_script
from shared.failback.source_vms import SourcePart, read_source_page
from shared.healing.contract import ReadNodes, ReadScript, RunScript, ScriptView
from shared.sites.node_output import Page
from tests.activities.lab import Lab
from tests.activities.test_in_the_lab import CLUSTER


async def read(lab: Lab, node: str, names: list[str], first: int = 0) -> Page[SourcePart]:
    machine = next(one.id for one in (await read_nodes(ReadNodes(cluster_id=CLUSTER))).nodes if one.name == node)
    name = f"op-read-source-{first}"
    given = {"Names": "/".join(names), "From": str(first)}
    await run_script(RunScript(machine_id=machine, name=name, script="read-source", operation="op", parameters=given))

    async def look() -> ScriptView | None:
        view = await read_script(ReadScript(machine_id=machine, name=name))
        return view if view.has_ended else None

    view = await lab.until(look, timedelta(seconds=30))
    assert len(view.output.encode()) < 4096
    return read_source_page(node, view.result or {})


async def test_a_node_says_what_its_own_machines_are_like(lab: Lab) -> None:
    lab.world(sources={"sql-01": {"power": "Off", "snapshots": 3, "fileGb": 12}, "dc-01": {"present": False}})
    lab.world(nodes={"hci-01-n1": {"freeGb": 250}})
    page = await read(lab, "hci-01-n1", ["dc-01", "SQL-01", "web-01"])
    (sql,) = page.part.vms
    assert (sql.vm, sql.state, sql.checkpoints, sql.disks[0].size, sql.disks[0].file) == ("sql-01", "Off", 3, 40, 12)
    assert page.part.room[page.part.home] == 250
    assert (await read(lab, "hci-01-n3", ["web-01"])).part.vms[0].state == "Running"


async def test_a_disk_that_cannot_be_read_hides_no_other_machine(lab: Lab) -> None:
    lab.world(sources={"sql-01": {"diskError": "the file is in use"}})
    page = await read(lab, "hci-01-n1", ["dc-01", "sql-01"])
    assert {vm.vm: vm.unread_parts for vm in page.part.vms} == {
        "dc-01": (),
        "sql-01": (f"disk {len(page.part.vms[1].disks) - 1}: the file is in use",),
    }


async def test_a_page_begins_where_the_last_one_ended(lab: Lab) -> None:
    names = ["app-01", "dc-01", "sql-01"]
    assert [vm.vm for vm in (await read(lab, "hci-01-n1", names)).part.vms] == names
    rest = await read(lab, "hci-01-n1", names, first=1)
    assert ([vm.vm for vm in rest.part.vms], rest.next_start) == (names[1:], None)
