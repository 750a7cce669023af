"""What stands in the way of a machine's failback, and what to do about it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.failback.checks import ReturningVm, SiteState, check_failback
from shared.failback.source_vms import SourceDisk, SourceVm, SourceVms
from shared.site_recovery.views import ProviderView
from shared.sites.nodes import ExtensionView, NodeView
from tests.shared.samples import site

SITE = site()
AT = datetime(2026, 1, 5, 8, tzinfo=UTC)


def node(name: str, status: str = "Connected", extension: str = "Succeeded") -> NodeView:
    asr = ExtensionView(id=f"/{name}/asr", name="asr", provisioning_state=extension)
    return NodeView(id=f"/machines/{name}", name=name, cluster_id=SITE.cluster, status=status, extension=asr)


def provider(name: str, *, connected: bool = True, sites: tuple[str, ...] = (SITE.hyper_v_site,)) -> ProviderView:
    return ProviderView(id=f"/providers/{name}", host=f"{name}.corp.local", connected=connected, sites=sites)


def source(vm: str = "sql", on: str = "n1", **facts: Any) -> SourceVm:
    disks = (SourceDisk(size=100, file=40, volume="csv"),)
    return SourceVm.model_validate({"vm": vm, "node": on, "state": "Off", "disks": disks} | facts)


def look(*vms: SourceVm, free: float = 500, **silent: str) -> SourceVms:
    return SourceVms(vms=vms, room={"n1": {"csv": free}}, home={"n1": "csv", "n2": "csv"}, silent=silent)


def ground(seen: SourceVms, **changes: Any) -> SiteState:
    usual = {"nodes": (node("n1"), node("n2")), "providers": (provider("n1"), provider("n2"))}
    return SiteState(**{"site": SITE, "sources": seen, **usual, **changes})


def codes(
    seen: SourceVms, *wanted: ReturningVm, create: bool = False, host: str = "", **changes: Any
) -> list[tuple[str, str]]:
    _, problems = check_failback(ground(seen, **changes), wanted or (ReturningVm(vm="sql"),), create=create, host=host)
    assert all(problem.detail for problem in problems)
    return [(problem.vm, problem.code) for problem in problems]


def test_a_machine_that_is_off_without_checkpoints_on_a_node_that_is_well_may_come_home() -> None:
    assert check_failback(ground(look(source())), (ReturningVm(vm="SQL"),), create=False) == (
        {"SQL": "/providers/n1"},
        [],
    )


@pytest.mark.parametrize("state", ["Running", "Saved", "Paused"])
def test_a_machine_that_is_not_off_is_not_overwritten(state: str) -> None:
    assert codes(look(source(state=state))) == [("sql", "source-running")]


def test_checkpoints_keep_a_machine_away() -> None:
    assert codes(look(source(checkpoints=1))) == [("sql", "source-checkpoints")]


def test_a_machine_whose_disks_could_not_be_read_does_not_come_home_and_hides_no_other() -> None:
    unread = SourceDisk(size=0, file=0, unread="the file is in use")
    two = (ReturningVm(vm="sql"), ReturningVm(vm="app"))
    providers, problems = check_failback(ground(look(source(disks=(unread,)), source("app"))), two, create=False)
    assert providers == {"app": "/providers/n1"}
    assert [(problem.vm, problem.code) for problem in problems] == [("sql", "source-disks-unread")]
    assert "sql on n1 could not be read whole (disk 0: the file is in use)" in problems[0].detail
    assert codes(look(source(unread="its checkpoints cannot be listed"))) == [("sql", "source-disks-unread")]
    assert codes(look(source(state="Running", disks=(unread,)))) == [("sql", "source-running")]


def test_a_machine_is_not_made_where_the_volume_for_it_is_not_known() -> None:
    gone = ReturningVm(vm="sql", provider="/providers/n1", mb=1024)
    unknown = look().model_copy(update={"home": {}, "home_unread": {"n1": "no volume D:"}})
    assert codes(unknown, gone, create=True) == [("sql", "host-volume-unread")]
    assert codes(unknown, gone, create=True, host="n2") == []


def test_of_two_machines_of_one_name_nobody_knows_which() -> None:
    assert codes(look(source(), source(on="n2"))) == [("sql", "source-ambiguous")]


def test_a_machine_that_was_not_found_may_be_on_a_node_that_did_not_answer() -> None:
    assert codes(look(n2="it is Disconnected")) == [("sql", "source-unread")]
    assert codes(look(source(), n2="it is Disconnected")) == []


def test_a_machine_that_is_gone_is_for_a_person_unless_it_may_be_made_again() -> None:
    _, problems = check_failback(ground(look()), (ReturningVm(vm="sql"),), create=False)
    assert [(problem.code, problem.by_hand) for problem in problems] == [("source-gone", True)]
    assert "createVm" in problems[0].detail
    was_here = ReturningVm(vm="sql", provider="/PROVIDERS/n2", mb=1024)
    assert check_failback(ground(look()), (was_here,), create=True) == ({"sql": "/providers/n2"}, [])
    assert check_failback(ground(look()), (was_here,), create=True, host="n1")[0] == {"sql": "/providers/n1"}
    assert codes(look(), ReturningVm(vm="sql", provider="/providers/old"), create=True) == [("sql", "host-needed")]


def test_another_cluster_is_refused_with_the_reason() -> None:
    _, problems = check_failback(ground(look()), (ReturningVm(vm="sql"),), create=True, host="hci-02-n1")
    assert [problem.code for problem in problems] == ["another-cluster"]
    assert "not supported" in problems[0].detail


@pytest.mark.parametrize(
    ("there", "code"), [((provider("n1", sites=("other",)),), "other-hyper-v-site"), ((), "provider-missing")]
)
def test_a_host_must_be_registered_with_the_same_hyper_v_site(there: Any, code: str) -> None:
    assert codes(look(), create=True, host="n1", providers=there) == [("", code)]


def test_a_machine_that_is_on_another_host_than_asked_for_is_not_made_twice() -> None:
    assert codes(look(source(on="n2")), create=True, host="n1") == [("sql", "source-on-another-host")]


def test_only_the_node_that_gets_the_machine_has_to_be_well() -> None:
    ill = (node("n1"), node("n2", extension="Failed"))
    assert codes(look(source()), nodes=ill) == []
    assert codes(look(source(on="n2")), nodes=ill) == [("sql", "node-unwell")]


def test_the_vault_has_to_hear_of_the_host() -> None:
    deaf = (provider("n1", connected=False), provider("n2"))
    assert codes(look(source()), providers=deaf) == [("sql", "provider-not-connected")]


def test_files_may_grow_and_those_of_a_volume_count_together() -> None:
    two = (ReturningVm(vm="sql"), ReturningVm(vm="app"))
    assert codes(look(source(), source("app"), free=120), *two) == []
    too_little = [("sql", "too-little-space"), ("app", "too-little-space")]
    assert codes(look(source(), source("app"), free=119), *two) == too_little
    gone = ReturningVm(vm="sql", provider="/providers/n1", mb=130 * 1024)
    assert codes(look(free=129), gone, create=True) == [("sql", "too-little-space")]
