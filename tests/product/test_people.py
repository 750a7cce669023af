"""The lab's persons at the product's door, signed in as `make lab` has it: with tokens, whatever headers they send."""

from collections.abc import Iterator

import pytest

from lab.host.sign_in import PEOPLE
from lab.servers import Servers, free_ports
from tests.people import signed_in
from tests.product.conftest import SPEED, Lab
from tests.product.test_api import plan_of


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Both servers of this module."""
    both = Servers.of(tmp_path_factory.mktemp("lab"), free_ports(), SPEED, "--sign-in", "allow")
    both.start()
    yield both
    both.stop()


def token_of(name: str) -> dict[str, str]:
    (token,) = (each.token for each in PEOPLE if each.name == name)
    return {"Authorization": f"Bearer {token}"}


def test_what_ann_requests_bob_approves_and_nobody_by_a_header(lab: Lab) -> None:
    lab.api("PUT", "plans/guarded", plan_of(approvals={"count": 1}), token_of("eve"))
    forged = signed_in("ann", "Dr.Operate")
    assert lab.api("POST", "plans/guarded/failover", {}, forged).status == 401  # nobody is signed in
    run = lab.api("POST", "plans/guarded/failover", {}, token_of("ann")).body["id"]
    lab.waiting(run)
    approve = f"operations/{run}/approve"
    assert lab.api("POST", approve, {}, signed_in("zoe", "Dr.Approve")).status == 401
    assert lab.api("POST", approve, {}, token_of("ann") | signed_in("zoe", "Dr.Approve")).status == 403
    assert lab.api("POST", approve, {}, token_of("eve")).status == 403
    assert lab.verbs() == []
    assert lab.api("POST", approve, {}, token_of("bob")).status == 202
    ended = lab.ended(run)
    assert (ended["state"], [each["by"] for each in ended["approvals"]]) == ("succeeded", ["bob"])


@pytest.mark.parametrize(
    ("name", "statuses"),
    [("ann", (200, 409, 403)), ("cai", (200, 403, 403)), ("bob", (200, 403, 403)), ("fay", (403, 403, 403))],
)
def test_each_may_what_their_role_says(lab: Lab, name: str, statuses: tuple[int, ...]) -> None:
    """Read, commit what is not failed over, declare."""
    token = token_of(name)
    seen = (
        lab.api("GET", "operations", headers=token).status,
        lab.api("POST", "plans/payroll/commit", {}, token).status,
        lab.api("PUT", "plans/guarded", plan_of(), token).status,
    )
    assert seen == statuses
