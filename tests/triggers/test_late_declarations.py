"""A declaration that nobody could confirm says what may have become of it, and may be sent again."""

import grpc  # type: ignore[import-untyped] # grpcio ships no types
import pytest
from durabletask.client import OrchestrationStatus

import triggers.waiting
from tests.triggers.doors import ALL_ROLES, call_error, door, spend_no_time
from tests.triggers.engine_states import state_of
from tests.triggers.hub import Hub

DOCUMENTS = [
    ("put_site", "/api/sites/hci-01"),
    ("put_plan", "/api/plans/payroll"),
    ("delete_plan", "/api/plans/payroll"),
    ("delete_site", "/api/sites/mars"),
]
changes = pytest.mark.parametrize(("name", "url"), DOCUMENTS, ids=[name for name, _ in DOCUMENTS])


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_ROLES", ALL_ROLES)
    monkeypatch.setattr(triggers.waiting, "sleep", spend_no_time)


def hub_with(status: OrchestrationStatus, output: dict[str, str] | None = None) -> Hub:
    return Hub(lambda name, run: (state_of(run, name, status, output=output),))


@changes
@pytest.mark.parametrize(
    ("status", "code"),
    [
        (OrchestrationStatus.PENDING, "engine-slow"),
        (OrchestrationStatus.RUNNING, "engine-slow"),
        (OrchestrationStatus.FAILED, "declaration-failed"),
        (OrchestrationStatus.TERMINATED, "declaration-failed"),
    ],
)
async def test_a_change_that_is_late_may_still_be_made(
    name: str, url: str, status: OrchestrationStatus, code: str
) -> None:
    answer = await door(name).answer(hub_with(status), **_parameters(name))
    body = answer.require_problem(503)
    assert (body["code"], body["documentUrl"]) == (code, url)
    assert "may still be made" in body["detail"]
    assert url in body["detail"]
    assert "safe to send again" in body["detail"]
    assert "Retry-After" in answer.headers


@changes
async def test_a_change_whose_engine_goes_away_may_still_be_made(name: str, url: str) -> None:
    hub = hub_with(OrchestrationStatus.COMPLETED)
    hub.errors = {"get_orchestration_state": [call_error(grpc.StatusCode.UNAVAILABLE)]}
    body = (await door(name).answer(hub, **_parameters(name))).require_problem(503)
    assert (body["code"], body["documentUrl"]) == ("engine-unreachable", url)


async def test_a_change_that_is_confirmed_is_answered_as_ever() -> None:
    hub = hub_with(OrchestrationStatus.COMPLETED, {"outcome": "created", "etag": '"1-abc"'})
    answer = await door("put_site").answer(hub)
    assert (answer.status, answer.headers["ETag"], answer.body["outcome"]) == (201, '"1-abc"', "created")


def _parameters(name: str) -> dict[str, str]:
    """A site that no plan needs can be withdrawn."""
    return {"site": "mars"} if name == "delete_site" else {}
