"""Which events notify by which rule: none outside of it, and each type of event is an occasion or said to be none."""

import re
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.documents import CHECKED
from shared.notifications.budget import (
    MOST_IN_AN_HOUR,
    MOST_WAITS_IN_AN_HOUR,
    Admission,
    Delivered,
    Deliveries,
    admit_notification,
    note_delivery,
    total_deliveries,
)
from shared.notifications.occasions import OCCASIONS, WAITS, About, Occasion, about_of, known_types, occasion_of
from shared.notifications.rule import MOST_CHANNELS, NotificationRule
from tests.shared.notifications.samples import AT, EMAIL, TEAMS, WEBHOOK, rule_of

EVENTS = Path(__file__).parents[3] / "docs/events.md"
NAMES = st.sampled_from(["", "payroll", "orders", "hci-01", "hci-02"])


def documented_types() -> set[str]:
    return set(re.findall(r"`HciSiteRecovery\.([A-Za-z]+\.[A-Za-z]+)`", EVENTS.read_text()))


def test_each_type_of_event_is_an_occasion_or_said_to_be_none() -> None:
    assert documented_types() == known_types()


def test_each_occasion_has_an_event() -> None:
    data: list[dict[str, Any]] = [
        {"waitsFor": "approval"},
        {"waitsFor": "decision"},
        {"state": "failed"},
        {"complete": False},
    ]
    found = {occasion_of(f"HciSiteRecovery.{name}", one) for name in known_types() for one in data}
    assert found - {None} == set(OCCASIONS)


@pytest.mark.parametrize(
    ("name", "data", "occasion"),
    [
        ("Operation.Waiting", {"waitsFor": "approval"}, "waiting-for-approval"),
        ("Operation.Waiting", {"waitsFor": "resume"}, "waiting-for-decision"),
        ("Operation.Finished", {"state": "succeeded"}, None),
        ("Operation.Finished", {"state": "aborted"}, None),
        ("Operation.Finished", {"state": "failed"}, "failed"),
        ("Operation.Evidence", {"complete": True}, None),
        ("Operation.Evidence", {"complete": False}, "evidence-incomplete"),
        ("Notification.GivenUp", {}, None),
        ("Unknown.Event", {}, None),
    ],
)
def test_what_an_event_is(name: str, data: dict[str, Any], occasion: str | None) -> None:
    assert occasion_of(f"HciSiteRecovery.{name}", data) == occasion


@given(
    st.lists(st.sampled_from(OCCASIONS), min_size=1, unique=True),
    st.sampled_from(OCCASIONS),
    st.lists(NAMES.filter(bool), max_size=3),
    st.lists(NAMES.filter(bool), max_size=3),
    st.builds(About, NAMES, NAMES),
    st.lists(NAMES.filter(bool), max_size=2),
)
def test_no_event_notifies_outside_of_its_rule(
    occasions: list[Any], occasion: Any, sites: list[str], plans: list[str], about: About, of_plan: list[str]
) -> None:
    covers = {"sites": sites, "plans": plans} if sites or plans else None
    matches = rule_of(occasions=occasions, covers=covers).matches(occasion, about, of_plan)
    is_covered = covers is None or about.plan in plans or about.site in sites or bool(set(of_plan) & set(sites))
    assert matches == (occasion in occasions and is_covered)


def test_what_belongs_to_no_site_and_no_plan_is_covered_by_rules_for_everything_alone() -> None:
    about = about_of("nodes/hci-01-n1", {"operation": "repair-1"})
    assert about == About("", "")
    assert rule_of().matches("node-needs-person", about, ())
    assert not rule_of(covers={"sites": ["hci-01"], "plans": ["payroll"]}).matches("node-needs-person", about, ())


@pytest.mark.parametrize(
    ("subject", "data", "about"),
    [
        ("plans/payroll", {}, ("payroll", "")),
        ("sites/hci-01", {}, ("", "hci-01")),
        ("plans/payroll", {"plan": "payroll", "site": "hci-01"}, ("payroll", "hci-01")),
        ("plans/payroll", {"plan": None, "site": 4}, ("payroll", "")),
        ("approval-policies/production", {}, ("", "")),
        ("", {}, ("", "")),
    ],
)
def test_what_an_event_is_about(subject: str, data: dict[str, Any], about: tuple[str, str]) -> None:
    assert about_of(subject, data) == about


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"channels": []}, "channels"),
        ({"channels": [TEAMS] * 2}, "channels[1]"),
        ({"channels": [TEAMS | {"url": f"@kv:kv-dr/u{n}"} for n in range(MOST_CHANNELS + 1)]}, "channels"),
        ({"channels": [TEAMS | {"url": "https://prod.logic.azure.com/x"}]}, "channels[0].url"),
        ({"channels": [TEAMS | {"secret": "@kv:kv-dr/hook-key"}]}, "channels[0].secret"),
        ({"channels": [TEAMS | {"kind": "pager"}]}, "channels[0].kind"),
        ({"channels": [TEAMS | {"to": "x"}]}, "channels[0].to"),
        ({"channels": [WEBHOOK | {"url": "http://hooks.contoso.example"}]}, "channels[0].url"),
        ({"channels": [WEBHOOK | {"url": "https://169.254.169.254/metadata"}]}, "channels[0].url"),
        ({"channels": [WEBHOOK | {"url": "https://u:p@hooks.contoso.example"}]}, "channels[0].url"),
        ({"channels": [WEBHOOK | {"url": "https://hooks.contoso.example?sig=x"}]}, "channels[0].url"),
        ({"channels": [WEBHOOK | {"url": "https://hooks.contoso.example:0x/"}]}, "channels[0].url"),
        ({"channels": [WEBHOOK | {"url": "https://hooks.contoso.example:99999/"}]}, "channels[0].url"),
        ({"channels": [WEBHOOK | {"url": "https://[hooks"}]}, "channels[0].url"),
        ({"channels": [WEBHOOK | {"url": "file:///etc/passwd"}]}, "channels[0].url"),
        ({"channels": [WEBHOOK | {"secret": "hunter2"}]}, "channels[0].secret"),
        ({"channels": [WEBHOOK | {"secret": ""}]}, "channels[0].secret"),
        ({"channels": [WEBHOOK | {"to": ["a@contoso.example"]}]}, "channels[0].to"),
        ({"channels": [EMAIL | {"url": "@kv:kv-dr/teams-url"}]}, "channels[0].url"),
        ({"channels": [EMAIL | {"endpoint": "https://evil.example"}]}, "channels[0].endpoint"),
        (
            {"channels": [EMAIL | {"endpoint": "https://x.communication.azure.com.evil.example"}]},
            "channels[0].endpoint",
        ),
        ({"channels": [EMAIL | {"endpoint": "http://x.communication.azure.com"}]}, "channels[0].endpoint"),
        ({"channels": [EMAIL | {"endpoint": "https://evil.example/.communication.azure.com"}]}, "channels[0].endpoint"),
        ({"channels": [EMAIL | {"from": "dr"}]}, "channels[0].from"),
        ({"channels": [EMAIL | {"to": []}]}, "channels[0].to"),
        ({"channels": [EMAIL | {"to": ["a@b.example\nBcc: c@d.example"]}]}, "channels[0].to[0]"),
        ({"channels": [EMAIL | {"to": ["a@contoso.example", "Ann <a@b.example>"]}]}, "channels[0].to[1]"),
        ({"channels": [EMAIL | {"to": ["a@contoso.example"] * 21}]}, "channels[0].to"),
        ({"covers": {}}, "covers"),
        ({"covers": {"sites": ["Not A Name"]}}, "covers.sites[0]"),
        ({"occasions": []}, "occasions"),
        ({"occasions": ["never"]}, "occasions[0]"),
        ({"remind": "PT1S"}, "remind"),
        ({"remind": 3600}, "remind"),
        ({"remind": "P30D"}, "remind"),
        ({"remind": "PT1H", "reminders": 0}, "reminders"),
        ({"remind": "PT1H", "reminders": 21}, "reminders"),
        ({"reminders": 3}, "reminders"),
        ({"remind": "PT1H", "occasions": ["failed"]}, "remind"),
        ({"to": "me"}, "to"),
    ],
)
def test_a_rule_that_is_wrong_names_its_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        rule_of(**changes)
    places = {
        "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in one["loc"]).removeprefix(".")
        for one in caught.value.errors()
    }
    assert field in places


def test_a_rule_that_was_accepted_is_read_whatever_is_checked_later() -> None:
    document = rule_of().model_dump(mode="json", by_alias=True) | {"reminders": 3}
    assert NotificationRule.model_validate(document, context=CHECKED).channels[0].kind == "teams"


def test_in_an_hour_no_more_than_a_person_reads_is_sent_and_waits_have_room_of_their_own() -> None:
    kept, admitted = Deliveries(), Counter[str]()
    for number in range(10_000):
        occasion: Occasion = "failed" if number % 2 else "waiting-for-approval"
        kept, is_admitted = admit_notification(kept, Admission(at=AT, occasion=occasion, channel=0))
        admitted[occasion] += is_admitted
    assert (admitted["failed"], admitted["waiting-for-approval"]) == (MOST_IN_AN_HOUR, MOST_WAITS_IN_AN_HOUR)
    assert kept.left_out == 10_000 - MOST_IN_AN_HOUR - MOST_WAITS_IN_AN_HOUR
    _, is_other_channel = admit_notification(kept, Admission(at=AT, occasion="failed", channel=1))
    assert is_other_channel
    kept, is_admitted = admit_notification(kept, Admission(at=AT + timedelta(hours=1), occasion="failed", channel=0))
    assert (is_admitted, kept.waits, kept.others) == (True, {}, {0: 1})
    kept, _ = admit_notification(kept, Admission(at=AT, occasion="failed", channel=0))
    assert kept.others == {0: 2}, "a message that was under way over the full hour opens no old one"


def test_what_became_of_notifications_is_counted() -> None:
    lost = Delivered(at=AT, outcome="given-up", event="e-2", detail="it answered 503")
    kept = note_delivery(note_delivery(Deliveries(), Delivered(at=AT, outcome="sent")), lost)
    assert (kept.sent, kept.given_up, kept.last_given_up) == (1, 1, lost)
    state = kept.model_dump(mode="json")
    assert total_deliveries({"a": state, "b": state}) == {"sent": 2, "givenUp": 2, "leftOut": 0}


def test_people_are_reminded_of_waits_alone() -> None:
    assert set(OCCASIONS) > WAITS
