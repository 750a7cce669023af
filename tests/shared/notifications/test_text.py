"""What a notification says: the result first; and whatever a name is, it is read as text and holds no secret."""

import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.notifications.contract import Awaited, NotifiedEvent
from shared.notifications.mail import html_mail, mail_body
from shared.notifications.occasions import OCCASIONS
from shared.notifications.rule import Channel
from shared.notifications.teams_card import teams_message
from shared.notifications.text import LONGEST_SUBJECT, NotificationText, link_of, plain_text, write_notification
from shared.notifications.webhook_body import webhook_body
from tests.shared.notifications.samples import AT, EMAIL, WEBHOOK, request_of, waiting_event

BASE = "https://func-dr.azurewebsites.net"
HOSTILE = [
    "[click](https://evil.example)",
    "<at>Everyone</at>",
    "{{DATE(2026-01-01T00:00:00Z, SHORT)}}",
    "**bold** _x_ # title\n- list",
    "<img src=x onerror=alert(1)>",
    "\u202eneercs\u202c \u0000\u0007\x1b[31m",
    "payroll\r\nBcc: all@contoso.example",
    "x" * 100_000,
]
ALL_KINDS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(HOSTILE),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ("kind", "plan", "site", "operation", "vms", "failures", "until", "due", "needed", "what", "duty", "about")


NOTHING = Awaited()


def text_of(awaited: Awaited = NOTHING, reminder: int = 0, **data: Any) -> NotificationText:
    return write_notification("waiting-for-approval", waiting_event(**data), awaited, reminder, BASE)


def test_the_subject_says_the_result_first() -> None:
    text = text_of(Awaited(requested_by="ann"))
    assert text.subject == "payroll failover waits for 2 approvals, asked for by ann: until 2026-11-22 14:30 UTC"
    assert text_of(reminder=2).subject.startswith("Reminder 2: payroll failover waits")
    assert text.link == f"{BASE}/api/ui#/approve/failover-payroll-1"


def test_it_says_why_and_what_cannot_be_undone() -> None:
    awaited = Awaited(
        requested_by="ann", reason="fire", irreversible=("Commit: points are deleted",), data_loss="up to 5 min of sql"
    )
    facts = dict(text_of(awaited).facts)
    assert (facts["Why"], facts["Cannot be undone"]) == ("fire", "Commit: points are deleted")
    assert (facts["Data that would be lost"], facts["Until"]) == ("up to 5 min of sql", "2026-11-22 14:30 UTC")


def test_of_a_failure_only_vm_and_code_are_told() -> None:
    failures = [{"vm": "sql-01", "code": "539", "detail": "the hook said hunter2"}]
    event = waiting_event(failures=failures)
    text = write_notification("failed", event, Awaited(), 0, BASE)
    assert dict(text.facts)["Failures"] == "sql-01 539"
    assert "hunter2" not in str(text)


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({}, "#/approve/failover-payroll-1"),
        ({"waitsFor": "decision"}, "#/run/failover-payroll-1"),
        ({"operation": "../../evil"}, ""),
        ({"operation": "x y\nz"}, ""),
        ({"operation": None}, ""),
    ],
)
def test_a_link_leads_into_the_app_and_nowhere_else(data: dict[str, Any], path: str) -> None:
    assert link_of(waiting_event(**data), BASE) == f"{BASE}/api/ui{path}"
    assert link_of(waiting_event(**data), "") == ""


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("occasion", OCCASIONS)
def test_a_name_from_outside_stands_in_text_runs_alone(occasion: Any, name: str) -> None:
    event = waiting_event(plan=name, kind=name, site=name, vms=[name], what=name, running=[name])
    text = write_notification(occasion, event, Awaited(requested_by=name, reason=name, irreversible=(name,)), 0, BASE)
    message = teams_message(text)
    card = message["attachments"][0]["content"]
    assert len(json.dumps(message).encode()) < 28_000
    assert {element["type"] for element in card["body"]} == {"RichTextBlock"}
    assert "msteams" not in card
    for run in (run for element in card["body"] for run in element["inlines"]):
        assert run["type"] == "TextRun"
        assert not any(unicodedata.category(sign)[0] == "C" for sign in run["text"])
    mail = html_mail(text)
    assert not re.search(r"<(?!/?(?:h2|table|tr|th|td|p|a)\b)", mail), mail
    assert "<script" not in mail
    assert mail_body(Channel.model_validate(EMAIL), text)["content"]["subject"].isprintable()
    assert [action["url"].startswith(f"{BASE}/api/ui") for action in card["actions"]] == [True]


def strings_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from strings_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from strings_in(inner)
    elif isinstance(value, str):
        yield value


@given(st.sampled_from(OCCASIONS), st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, ALL_KINDS)), st.text())
def test_whatever_an_event_holds_there_is_a_text_of_bounded_length(
    occasion: Any, data: dict[str, Any], subject: str
) -> None:
    event = NotifiedEvent(id="e", type="t", subject=subject, at=AT, data=data)
    text = write_notification(occasion, event, Awaited(requested_by=subject), 1, BASE)
    assert 0 < len(text.subject) <= LONGEST_SUBJECT
    assert len(json.dumps(teams_message(text)).encode()) < 28_000
    assert not [one for one in strings_in(text) if re.search(r"[\x00-\x1f\x7f]", one)]


@pytest.mark.parametrize("secret", ["Password=hunter2secret", "https://x.example/a?sig=abcDEF123456%3D"])
def test_no_secret_is_told(secret: str) -> None:
    text = text_of(Awaited(reason=f"see {secret}"), what=secret)
    assert "hunter2secret" not in str(text)
    assert "abcDEF123456" not in str(text)
    assert plain_text(secret) != secret


def test_a_webhook_gets_the_same_text_and_knows_what_it_is_of() -> None:
    request = request_of(WEBHOOK)
    body = webhook_body(request, text_of(Awaited(requested_by="ann")))
    assert (body["id"], body["event"]["id"], body["reminder"]) == (request.id, request.event.id, 0)
    assert body["subject"].startswith("payroll failover waits for 2 approvals")
