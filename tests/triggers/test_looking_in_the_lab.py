"""Whatever the world and the plan are: a preview, and a request that is refused, change nothing in Azure."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from http import HTTPStatus
from typing import Any, NamedTuple

import azure.functions as func
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import triggers.waiting
from activities.start_verbs import start_verbs
from activities.vault import read_items
from shared.azure.clients import close_azure
from shared.messages import VaultRef
from shared.plans.plan import PlanDocument
from shared.site_recovery.contract import ItemStart, ReadItems, StartVerbs
from shared.site_recovery.views import Verb
from tests.activities.lab import Lab, running
from tests.shared.azure.fake import point_at
from tests.shared.samples import ISOLATED, PAYROLL, SITE, site
from tests.triggers.doors import ALL_ROLES, PARAMETERS, Door, door, spend_no_time
from tests.triggers.hub import Hub, declared
from tests.triggers.test_looking import CHANGES, requests

type Requests = list[tuple[Door, func.HttpRequest]]

VAULT = VaultRef.from_id(SITE["vault"])
VMS = ("dc-01", "sql-01", "app-01", "app-02", "web-01", "web-02")
NODES = ("hci-01-n1", "hci-01-n2", "hci-01-n3")
NODE_CHANGES = st.one_of(
    st.fixed_dictionaries({"connected": st.booleans()}),
    st.fixed_dictionaries({"hyperV": st.booleans(), "clockOffset": st.sampled_from([0, 7200])}),
    st.fixed_dictionaries({"unreachable": st.sampled_from([[], ["backup"], ["hypervrecoverymanager"]])}),
)
SOURCE_CHANGES = st.one_of(
    st.fixed_dictionaries({"power": st.sampled_from(["On", "Off"])}), st.just({"present": False})
)
WORLDS = st.fixed_dictionaries(
    {
        "nodes": st.dictionaries(st.sampled_from(NODES), NODE_CHANGES, max_size=2),
        "sources": st.dictionaries(st.sampled_from(VMS), SOURCE_CHANGES, max_size=2),
        "quota": st.sampled_from([{"used": 4, "limit": 100}, {"used": 98, "limit": 100}]),
    }
)
MOVES = st.lists(
    st.tuples(
        st.sampled_from(["TestFailover", "UnplannedFailover", "PlannedFailover", "Commit"]), st.sampled_from(VMS)
    ),
    max_size=3,
)
PLANS = st.builds(
    lambda vms, engine: {**PAYROLL, "items": [{"vm": vm} for vm in vms], "engine": engine},
    st.lists(st.sampled_from(VMS), min_size=1, unique=True),
    st.sampled_from(["scheduler", "site-recovery"]),
)


class World(NamedTuple):
    """A simulated Azure, and the loop in which all its clients are."""

    lab: Lab
    runner: asyncio.Runner

    def answer(self, one: Door, request: Any, hub: Hub) -> int:
        """The status of the app's answer."""
        status: int = self.runner.run(one.handler(request, hub)).status_code
        return status


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with (
        running(tmp_path_factory.mktemp("lab")) as lab,
        pytest.MonkeyPatch.context() as patch,
        asyncio.Runner() as runner,
    ):
        point_at(lab.base, "lab-identity", patch)
        patch.setenv("KEY_ROLES", ALL_ROLES)
        patch.setattr(triggers.waiting, "sleep", spend_no_time)
        yield World(lab, runner)
        runner.run(close_azure())


def make_world(world: World, changes: dict[str, Any], moves: list[tuple[Verb, str]]) -> None:
    """Let the world differ, and machines be on their way or away, as far as the vault lets them."""
    world.lab.reset()
    world.lab.freeze()
    items = world.runner.run(read_items(ReadItems(vault=VAULT))).items
    ids = {one.vm: one.id for one in items}
    for number, (verb, vm) in enumerate(moves):
        start = StartVerbs(
            vault=VAULT,
            operation=f"earlier-{number}",
            verb=verb,
            starts=(ItemStart(vm=vm, item_id=ids[vm]),),
            since=world.lab.now(),
            network_id=ISOLATED,
        )
        world.runner.run(start_verbs(start))
        world.lab.advance(timedelta(hours=1 if number % 2 else 0))
    world.lab.world(**changes)


def as_preview(request: func.HttpRequest) -> func.HttpRequest:
    """The same request, that asks what would happen."""
    params = {**request.params, "preview": "true"}
    return func.HttpRequest(
        request.method,
        request.url,
        headers=dict(request.headers),
        params=params,
        route_params=request.route_params,
        body=request.get_body(),
    )


def engine_changes(hub: Hub) -> int:
    return sum(map(hub.count, CHANGES))


@settings(
    max_examples=10,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(WORLDS, MOVES, PLANS, st.lists(requests(), min_size=5, max_size=10))
def test_in_no_world_a_preview_or_a_refused_request_changes_anything(
    world: World, changes: dict[str, Any], moves: list[tuple[Verb, str]], document: dict[str, Any], asked: Requests
) -> None:
    make_world(world, changes, moves)
    before, ledger = world.lab.state(), world.lab.entries()
    entities = {
        "@documents@site:hci-01": declared(SITE, site().digest),
        "@documents@plan:payroll": declared(document, PlanDocument.model_validate(document).digest),
    }
    for one, request in asked + [(one, as_preview(request)) for one, request in asked]:
        hub = Hub(entities=dict(entities))
        status = world.answer(one, request, hub)
        is_preview = request.params.get("preview", "").lower() == "true"
        if is_preview or 400 <= status < 500:
            assert (engine_changes(hub), world.lab.entries(), hub.entities) == (0, ledger, entities), (one.name, status)
        assert not is_preview or status < 500, (one.name, request.get_body())
    assert what_azure_has(world.lab.state()) == what_azure_has(before)


def what_azure_has(state: Any) -> Any:
    """The state without what each read counts."""
    return {key: value for key, value in state.items() if key not in {"counters", "throttled"}}


def test_a_change_in_azure_would_be_seen_and_previews_do_read_it(world: World) -> None:
    make_world(world, {}, [])
    before = world.lab.state()
    request = func.HttpRequest(
        "POST",
        "/api/plans/payroll/failover?preview=true",
        params={"preview": "true"},
        route_params=PARAMETERS | {"verb": "failover"},
        body=b"{}",
    )
    assert world.answer(door("start_verb"), request, Hub()) == HTTPStatus.OK
    assert what_azure_has(world.lab.state()) == what_azure_has(before)
    make_world(world, {}, [("TestFailover", "sql-01"), ("UnplannedFailover", "web-01")])
    assert [entry["item"] for entry in world.lab.entries()] == ["sql-01", "web-01"]
    assert what_azure_has(world.lab.state()) != what_azure_has(before)
