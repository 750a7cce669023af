"""A second person approves, or does not: from the link, on the screen of the page."""

from typing import Any

import pytest

from lab.host.sign_in import PEOPLE
from lab.http_calls import call_server
from tests.product.conftest import Lab
from tests.ui.conftest import PHONE, Screen, moves, open_screen

ANN = {"Authorization": "Bearer lab-ann"}
REASON = 'the <b>site</b> burns <img src=x onerror="document.title=1">'


@pytest.fixture
def run(lab: Lab) -> str:
    """A failover of two VMs that ann asked for, and that waits for somebody's approval."""
    payroll = lab.document("plans/payroll")
    items = [{"vm": "dc-01"}, {"vm": "sql-01", "after": ["dc-01"]}]
    plan = {"site": "hci-01", "items": items, "drill": payroll["drill"], "approvals": {"count": 1, "expires": "P20D"}}
    assert lab.api("PUT", "plans/guarded", plan).status == 201
    body = {"type": "unplanned", "override": REASON}
    begun = lab.api("POST", "plans/guarded/failover", body, ANN)
    assert begun.status == 202, begun.body
    waiting = lab.waiting(begun.body["id"])
    assert waiting["waitingFor"]["kind"] == "approval"
    return str(begun.body["id"])


def open_approval(screen: Screen, person: str, run: str) -> None:
    screen.sign_in(person)
    screen.go(f"#/approve/{run}", "Approve: failover of guarded?")


def test_it_says_who_asks_why_until_when_in_which_order_and_what_is_lost(screen: Screen, run: str) -> None:
    open_approval(screen, "bob", run)
    for said in ("Asked for by\nann", "0 of 1", "Cannot be undone", "What was not replicated yet is lost"):
        assert said in screen.text
    order = screen.page.get_by_role("region", name="Order").get_by_role("listitem").all_inner_texts()
    assert order == ["dc-01", "sql-01"]
    assert "of newest data" in screen.page.get_by_role("region", name="What is lost").inner_text()
    assert REASON in screen.text  # as text: it made nothing of the page
    assert screen.page.locator("img[src=x]").count() == 0


def test_two_clicks_approve_what_was_shown(screen: Screen, run: str, lab: Lab) -> None:
    open_approval(screen, "bob", run)
    screen.page.get_by_label("Comment").fill("seen, <script>go</script>")
    screen.page.get_by_role("button", name="Approve").click()
    screen.page.get_by_role("button", name="Yes, approve").click()
    screen.page.get_by_text("Your approval was sent").first.wait_for()
    shown = lab.ended(run)
    assert (shown["state"], shown["approvals"][0]["by"]) == ("succeeded", "bob")
    assert shown["approvals"][0]["comment"] == "seen, <script>go</script>"
    ((_, path, body),) = screen.sent
    assert path == f"/api/operations/{run}/approve"
    assert body["preview"] == shown["approvals"][0]["preview"]
    screen.go(f"#/run/{run}", "Failover of guarded")
    assert "seen, <script>go</script>" in screen.text


def test_two_clicks_approve_from_the_link_of_the_notification(screen: Screen, run: str, lab: Lab) -> None:
    def find_links() -> list[str]:
        inbox = call_server(lab.servers.azure.base, "GET", "/lab/inbox").body
        return [link for one in inbox for link in one["links"] if link.endswith(run)]

    lab.eventually(lambda: bool(find_links()))
    screen.sign_in("bob")
    screen.page.goto(find_links()[0])
    screen.page.get_by_role("button", name="Approve").click()
    screen.page.get_by_role("button", name="Yes, approve").click()
    screen.page.get_by_text("Your approval was sent").first.wait_for()
    assert lab.ended(run)["approvals"][0]["by"] == "bob"


def test_a_rejection_ends_it_and_nothing_is_done(screen: Screen, run: str, lab: Lab) -> None:
    open_approval(screen, "bob", run)
    screen.page.get_by_role("button", name="Reject").click()
    screen.page.get_by_role("button", name="Yes, reject").click()
    screen.page.get_by_text("Your rejection was sent").first.wait_for()
    assert lab.ended(run)["state"] == "failed"
    assert moves(lab) == []


def test_whoever_thinks_again_sends_nothing(screen: Screen, run: str, lab: Lab) -> None:
    open_approval(screen, "bob", run)
    screen.page.get_by_role("button", name="Approve").click()
    screen.page.get_by_role("button", name="Go back").click()
    screen.page.get_by_role("button", name="Approve").click()
    screen.page.get_by_role("dialog").wait_for()
    screen.page.keyboard.press("Escape")
    screen.page.get_by_role("dialog").wait_for(state="hidden")
    assert screen.sent == []
    assert lab.api("GET", f"operations/{run}").body["state"] == "waiting"


@pytest.mark.parametrize(("person", "why"), [("ann", "Dr.Approve"), ("cai", "Dr.Approve"), ("eve", "Dr.Approve")])
def test_who_may_not_is_told_why_and_has_no_button(screen: Screen, run: str, person: str, why: str) -> None:
    open_approval(screen, person, run)
    assert "You cannot decide this" in screen.text
    assert why in screen.text
    assert screen.page.get_by_role("button", name="Approve").count() == 0


def test_a_keyboard_alone_approves(browser: Any, run: str, lab: Lab) -> None:
    screen = open_screen(browser, lab.servers.host.base, PHONE, "dark")
    open_approval(screen, "bob", run)
    press_until_focused(screen, "Approve")
    screen.page.keyboard.press("Enter")
    screen.page.get_by_role("dialog").wait_for()
    press_until_focused(screen, "Yes, approve")
    screen.page.keyboard.press("Enter")
    screen.page.get_by_text("Your approval was sent").first.wait_for()
    assert lab.ended(run)["state"] == "succeeded"
    assert screen.complaints == []


def press_until_focused(screen: Screen, name: str) -> None:
    for _ in range(60):
        if screen.page.evaluate("document.activeElement.textContent").strip() == name:
            return
        screen.page.keyboard.press("Tab")
    raise AssertionError(f"no key reaches {name}")


def test_the_link_leads_there_after_a_sign_in(screen: Screen, run: str) -> None:
    screen.page.goto(f"{screen.base}/api/ui#/approve/{run}")
    screen.page.get_by_role("link", name="Sign in").click()
    screen.page.get_by_role("link", name="bob: Dr.Approve").click()
    screen.page.get_by_role("heading", name="Approve: failover of guarded?").wait_for()
    screen.settle()
    screen.complaints = [one for one in screen.complaints if "401" not in one]  # the browser says so of /api/me


def test_what_was_decided_meanwhile_is_told(screen: Screen, run: str, lab: Lab) -> None:
    open_approval(screen, "bob", run)
    bob = {"Authorization": "Bearer lab-bob"}
    assert lab.api("POST", f"operations/{run}/reject", {}, bob).status == 202
    lab.ended(run)
    screen.page.get_by_text("It does not wait for an approval").first.wait_for()
    assert screen.page.get_by_role("button", name="Approve").count() == 0


@pytest.mark.parametrize(("named", "may"), [("bob", True), ("ann", False)])
def test_a_change_of_a_policy_is_shown_whole_to_whom_it_names(
    screen: Screen, lab: Lab, named: str, *, may: bool
) -> None:
    (person,) = [one for one in PEOPLE if one.name == named]
    policy = {"covers": {"vms": ["dc-01"]}, "count": 1, "expires": "P20D", "approvers": [person.object_id]}
    assert lab.api("PUT", "approval-policies/production", policy).status == 201
    changed = lab.api("PUT", "approval-policies/production", {**policy, "covers": {"vms": ["dc-01", "sql-01"]}})
    assert changed.status == 202, changed.body
    run = changed.body["id"]
    lab.waiting(run)
    screen.sign_in("bob")
    screen.go(f"#/approve/{run}", "Approve: change of approval-policies/production?")
    assert '"sql-01"' in screen.text
    assert "Fields: covers" in screen.text
    approve = screen.page.get_by_role("button", name="Approve")
    assert approve.count() == may
    assert ("you are not one of them" in screen.text) != may
    if may:
        approve.click()
        screen.page.get_by_role("button", name="Yes, approve").click()
        assert lab.ended(run)["state"] == "succeeded"
        ((_, _, body),) = screen.sent
        assert set(body) == {"digest"}
