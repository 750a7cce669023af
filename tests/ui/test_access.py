"""Everybody can use each screen: axe finds nothing serious, in light and dark, on a telephone and at a desk."""

from collections.abc import Iterator
from typing import Any

import pytest

from lab.servers import Servers
from tests.product.conftest import Lab
from tests.ui.conftest import DESK, PHONE, Screen, axe_source, open_screen

ANN = {"Authorization": "Bearer lab-ann"}
GRAVE = {"serious", "critical"}
RUN_AXE = "() => axe.run(document, {resultTypes: ['violations']})"


@pytest.fixture(scope="module")
def runs(servers: Servers) -> dict[str, str]:
    """A lab with a run that waits, one that failed and one that went well."""
    lab = Lab(servers)
    lab.reset()
    payroll = lab.document("plans/payroll")
    pair = {"site": "hci-01", "items": [{"vm": "dc-01"}, {"vm": "sql-01", "after": ["dc-01"]}]}
    guarded = {**pair, "drill": payroll["drill"], "approvals": {"count": 1, "expires": "P20D"}}
    assert lab.api("PUT", "plans/guarded", guarded).status == 201
    preflight = lab.api("POST", "sites/hci-01/preflight", {}, ANN).body["id"]
    waiting = lab.api("POST", "plans/guarded/failover", {"type": "unplanned"}, ANN).body["id"]
    lab.waiting(waiting)
    lab.ended(preflight)
    return {"preflight": preflight, "waiting": waiting}


SCREENS = [
    ("", "Now"),
    ("#/plans", "Plans"),
    ("#/plan/payroll", "payroll"),
    ("#/plan/payroll/start/failover", "Failover of payroll"),
    ("#/plan/guarded/start/drill", "Drill of guarded"),
    ("#/runs", "Runs"),
    ("#/run/{preflight}", "Preflight of hci-01"),
    ("#/run/{waiting}", "Failover of guarded"),
    ("#/approve/{waiting}", "Approve: failover of guarded?"),
    ("#/site/hci-01", "hci-01"),
    ("#/site/hci-01/setup", "Set up hci-01"),
    ("#/nowhere", "No such screen"),
]


@pytest.fixture(
    scope="module", params=[(size, scheme) for size in (PHONE, DESK) for scheme in ("light", "dark")], ids=str
)
def window(request: pytest.FixtureRequest, browser: Any, servers: Servers, runs: dict[str, str]) -> Iterator[Screen]:
    """A window in which bob, who may approve, is signed in."""
    size, scheme = request.param
    opened = open_screen(browser, servers.host.base, size, scheme)
    opened.sign_in("bob")
    yield opened
    opened.page.context.close()
    assert opened.complaints == []


@pytest.mark.parametrize(("where", "heading"), SCREENS, ids=[heading for _, heading in SCREENS])
def test_axe_finds_nothing_serious(window: Screen, runs: dict[str, str], where: str, heading: str) -> None:
    window.go(where.format(**runs), heading)
    assert grave_findings(window) == []


@pytest.mark.parametrize(("where", "heading"), SCREENS, ids=[heading for _, heading in SCREENS])
def test_no_screen_has_to_be_moved_sideways(window: Screen, runs: dict[str, str], where: str, heading: str) -> None:
    window.go(where.format(**runs), heading)
    wide = window.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0


def test_axe_would_find_something(window: Screen) -> None:
    window.go("#/runs", "Runs")
    window.page.evaluate("document.getElementById('main').append(document.createElement('button'))")
    assert grave_findings(window) != []


def grave_findings(window: Screen) -> list[str]:
    """What somebody could not use, with where it is."""
    if not window.page.evaluate("typeof axe === 'object'"):
        window.page.evaluate(axe_source())  # by the driver, past the policy of the page
    found = window.page.evaluate(RUN_AXE)["violations"]
    return [f"{one['id']}: {node['html']}" for one in found if one["impact"] in GRAVE for node in one["nodes"]]
