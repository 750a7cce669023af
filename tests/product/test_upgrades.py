"""Runs that wait while the app is deployed anew: begun on the last release, they end well on this one.

Before there is a last release, it is this one that takes over, as if its version had been raised.
"""

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lab.servers import Servers, free_ports
from tests.histories.released import releases_in
from tests.people import signed_in
from tests.product.conftest import SPEED, Lab
from tests.product.test_drills import NETWORKS
from tests.release import RELEASE, ROOT, version_in_host_file

PRODUCT = ("function_app.py", "host.json", "activities", "orchestrators", "shared", "triggers")
SLOWER = 5
"""Simulated seconds a real one while something is under way that takes minutes: then the clock is stopped in time."""
ANN, BOB = signed_in("ann", "Dr.Operate"), signed_in("bob", "Dr.Approve")


class Deployment(NamedTuple):
    """A lab on the last release, and the app that is to take over."""

    lab: Lab
    state: Path
    older: Path
    newer: Path

    def take_over(self) -> None:
        """Stop the host, and start it with the newer app."""
        host = self.lab.servers.host
        host.stop()
        host.command = tuple(str(self.newer) if part == str(self.older) else part for part in host.command)
        host.start()
        host.await_healthy()

    def version_of(self, run: str) -> str:
        """The version that the engine has of a run."""
        with closing(sqlite3.connect(f"file:{self.state / 'host.sqlite'}?mode=ro", uri=True)) as database:
            return str(database.execute("SELECT version FROM instances WHERE id = ?", (run,)).fetchone()[0])


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Both servers of this module, on the older app."""
    state = tmp_path_factory.mktemp("lab")
    older, newer = last_release(tmp_path_factory.mktemp("older")), this_release(tmp_path_factory.mktemp("newer"))
    both = Servers.of(state, free_ports(), SPEED, "--app", str(older))
    both.start()
    yield Deployment(Lab(both), state, older, newer)
    both.stop()


def last_release(folder: Path) -> Path:
    """The app of the release before this one, out of the repository; this one while there is none."""
    if releases := releases_in():
        archive = subprocess.run(
            ["git", "-C", str(ROOT), "archive", f"v{releases[-1]}", *PRODUCT],
            check=True,
            capture_output=True,
        )
        subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    else:
        copy_product(folder)
    return folder / "function_app.py"


def this_release(folder: Path) -> Path:
    """This app, with a raised version where the last release is this one."""
    copy_product(folder)
    if not releases_in():
        settings = json.loads((folder / "host.json").read_text())
        settings["extensions"]["durableTask"]["defaultVersion"] = f"{RELEASE}.1"
        (folder / "host.json").write_text(json.dumps(settings))
    return folder / "function_app.py"


def copy_product(folder: Path) -> None:
    for name in PRODUCT:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)


def declare(lab: Lab, name: str, *vms: str, **changes: Any) -> None:
    body = {"site": "hci-01", "items": [{"vm": vm} for vm in vms], "commit": "automatic", **changes}
    reply = lab.api("PUT", f"plans/{name}", body)
    assert reply.status in {200, 201}, reply.body


def start(lab: Lab, plan: str, verb: str, headers: Mapping[str, str] | None = None, **body: Any) -> str:
    reply = lab.api("POST", f"plans/{plan}/{verb}", body, headers)
    assert reply.status == 202, reply.body
    return str(reply.body["id"])


def shown(lab: Lab, run: str) -> dict[str, Any]:
    view: dict[str, Any] = lab.api("GET", f"operations/{run}").body
    return view


def start_runs_that_wait(lab: Lab) -> dict[str, str]:
    """A run at each kind of wait, by what it waits for; then the clock stands still."""
    hook = {"name": "tell the floor", "kind": "manual", "instructions": "Call 117.", "deadline": "P9D"}
    drill = {"network": f"{NETWORKS}/vnet-drill", "timeToLive": "P2D", "sharedNetwork": True}
    declare(lab, "guarded", "dc-01", approvals={"count": 1})
    declare(lab, "asking", "sql-01", onFailure="ask")
    declare(lab, "hooked", "web-01", hooks={"failover": {"before": [hook]}})
    declare(lab, "soaking", "web-02", drill={**drill, "soak": "PT4H"})
    declare(lab, "yielding", "app-01", drill={**drill, "soak": "PT4H"})
    declare(lab, "working", "app-02")
    fails = {"match": {"verb": "plannedFailover", "item": "sql-01", "times": 1}, "effect": {"job": {"fail": "539"}}}
    lab.azure("PUT", "faults", [fails])

    runs = {
        "approval": start(lab, "guarded", "failover", ANN),
        "pause": start(lab, "asking", "failover"),
        "hook": start(lab, "hooked", "failover"),
        "timer": start(lab, "soaking", "drill"),
    }
    yielding = start(lab, "yielding", "drill")
    for what in ("approval", "pause", "hook"):
        lab.waiting(runs[what])
    soaks = "the end of the soak time"
    lab.eventually(lambda: all(shown(lab, run)["waitingForText"] == soaks for run in (runs["timer"], yielding)))

    lab.azure("POST", "clock", {"speed": SLOWER})
    runs["job"] = start(lab, "working", "failover")
    lab.eventually(lambda: ("plannedFailover", "app-02") in lab.verbs())
    runs["lease"] = start(lab, "yielding", "failover", drill="clean-up-first")
    cleanup = ("testFailoverCleanup", "app-01")
    lab.eventually(lambda: cleanup in lab.verbs() and shown(lab, runs["lease"])["phase"] == "Queued")
    lab.azure("POST", "clock", {"speed": 0})
    return runs


def test_a_run_at_any_wait_goes_on_when_the_app_is_deployed_anew(deployment: Deployment) -> None:
    lab = deployment.lab
    lab.reset()
    runs = start_runs_that_wait(lab)
    assert {what: shown(lab, run)["state"] for what, run in runs.items()} == {
        "approval": "waiting",
        "pause": "waiting",
        "hook": "waiting",
        "timer": "running",
        "lease": "running",
        "job": "running",
    }
    deployment.take_over()
    lab.azure("POST", "clock", {"speed": SPEED})

    assert lab.api("POST", f"operations/{runs['approval']}/approve", {}, BOB).status == 202
    assert lab.api("POST", f"operations/{runs['pause']}/retry", {}).status == 202
    assert lab.api("POST", f"operations/{runs['hook']}/resume", {"comment": "called"}).status == 202
    ended = {what: lab.ended(run, patience=400) for what, run in runs.items()}
    assert {what: view["state"] for what, view in ended.items()} == dict.fromkeys(runs, "succeeded"), ended
    older, newer = (version_in_host_file(app.parent) for app in (deployment.older, deployment.newer))
    assert {deployment.version_of(run) for run in runs.values()} == {older}
    owed = {one["kind"] for one in lab.api("GET", "obligations").body["value"]}
    assert owed == {"reprotect"}
    sent = [vm for verb, vm in lab.verbs() if verb == "plannedFailover"]
    assert sorted(sent) == ["app-01", "app-02", "dc-01", "sql-01", "sql-01", "web-01"]

    later = lab.api("POST", "sites/hci-01/preflight", {})
    assert later.status == 202, later.body
    assert deployment.version_of(lab.ended(later.body["id"])["id"]) == newer
    assert lab.api("GET", "health").body["release"] == newer
