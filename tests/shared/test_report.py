"""A run on one page: complete, self-contained, and safe to open."""

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.evidence.report import render_report
from shared.evidence.result_sentence import describe_result
from shared.wording import format_duration

BEGAN = datetime(2027, 3, 1, 3, 0, tzinfo=UTC)
VOID = {"meta", "br", "hr", "img", "link", "input"}


def at(minutes: float) -> str:
    return (BEGAN + timedelta(minutes=minutes)).isoformat()


def step(verb: str = "TestFailover", began: float = 0, ended: float | None = 10, **more: Any) -> dict[str, Any]:
    over = at(ended) if ended is not None else None
    return {
        "verb": verb,
        "outcome": "succeeded",
        "startedAt": at(began),
        "endedAt": over,
        "probedAt": None,
        "detail": "",
        **more,
    }


def drill(*items: dict[str, Any], **more: Any) -> dict[str, Any]:
    about = {"id": "drill-payroll-3f9c1a2b77d0", "kind": "drill", "plan": "payroll", "state": "succeeded"}
    return {
        **about,
        "phase": "Finished",
        "startedAt": at(0),
        "endedAt": at(40),
        "items": list(items),
        "limitations": [],
        **more,
    }


class Reader(HTMLParser):
    """Fails where a tag is not closed as it was opened; keeps the text, and what the page would load."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.bars: list[tuple[float, float]] = []
        self.loads: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open += [] if tag in VOID else [tag]
        told = {name: value or "" for name, value in attrs}
        self.loads += [told[name] for name in ("src", "href", "action") if name in told] + (
            ["script"] * (tag == "script")
        )
        if "bar" in told.get("class", "").split():
            left, width = re.findall(r"(?:left|width):([\d.]+)%", told["style"])
            self.bars.append((float(left), float(width)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


def test_the_page_says_what_how_long_and_who() -> None:
    sql = {"vm": "sql-01", "state": "done", "azureVm": "sql-01-test", "steps": [step(probedAt=at(11.5))]}
    page = Reader(render_report(drill(sql, requestedBy="ada")))
    assert page.open == []
    for words in (
        "payroll",
        "succeeded",
        "sql-01-test",
        "40 min 00 s",
        "10 min 00 s",
        "1 min 30 s",
        "ada",
        "2027-03-01",
    ):
        assert words in page.text


def test_the_page_needs_nothing_from_anywhere() -> None:
    page = render_report(drill({"vm": "sql-01", "state": "done", "steps": [step()]}))
    assert Reader(page).loads == []
    assert "url(" not in page
    assert "@import" not in page


def test_bars_stand_where_their_verbs_were() -> None:
    one = {"vm": "sql-01", "state": "done", "steps": [step(began=0, ended=10), step("TestFailoverCleanup", 30, 40)]}
    assert Reader(render_report(drill(one))).bars == [(0.0, 25.0), (75.0, 25.0)]


def test_a_run_under_way_shows_its_open_verb_up_to_the_last_news() -> None:
    open_step = step(began=20, ended=None, outcome="")
    items = (
        {"vm": "a", "state": "done", "steps": [step(ended=40)]},
        {"vm": "b", "state": "running", "steps": [open_step]},
    )
    page = Reader(render_report(drill(*items, state="running", endedAt=None)))
    assert page.bars == [(0.0, 100.0), (50.0, 50.0)]
    assert "Elapsed" in page.text
    assert "Took" in page.text  # the table's own column
    assert "Finished" in page.text  # the phase that was given


def test_what_went_wrong_is_told_once_and_first() -> None:
    failed = {
        "vm": "web-01",
        "state": "failed",
        "code": "28031",
        "detail": "test failover: quota",
        "steps": [step(outcome="failed", detail="28031: quota")],
    }
    page = Reader(
        render_report(
            drill(
                failed, state="failed", failures=[{"vm": "web-01", "code": "28031", "detail": "test failover: quota"}]
            )
        )
    )
    assert page.text.count("web-01: test failover: quota (28031)") == 1
    assert page.text.count(" 28031: quota") == 1
    assert page.text.index("test failover: quota") < page.text.index(" 28031: quota")


def test_a_refusal_lists_its_problems() -> None:
    refused = drill(
        state="failed", obstacles=[{"vm": "sql-01", "code": "held", "detail": "held by drill-x"}], endedAt=None
    )
    assert "sql-01: held by drill-x" in Reader(render_report(refused)).text


def test_a_repair_has_a_node_and_facts_instead_of_machines() -> None:
    facts = {"cause": "certificate-race", "evidence": ["Enable: 13", "RegisterAsr.ps1"], "healed": True}
    page = Reader(
        render_report({"id": "repair-n2-1", "kind": "repair", "node": "hci-01-n2", "state": "running", "facts": facts})
    )
    assert "hci-01-n2" in page.text
    assert "Enable: 13; RegisterAsr.ps1" in page.text
    assert page.bars == []


@given(st.text(min_size=1))
def test_whatever_a_machine_or_a_job_says_stays_text(said: str) -> None:
    hostile = f'"><script>alert(1)</script>{said}'
    item = {
        "vm": hostile,
        "state": hostile,
        "azureVm": hostile,
        "detail": hostile,
        "steps": [step(hostile, note=hostile)],
    }
    page = Reader(render_report(drill(item, plan=hostile, limitations=[hostile], kind=hostile, state=hostile)))
    assert page.loads == []


@given(st.lists(st.tuples(st.floats(-60, 120), st.none() | st.floats(0, 120)), max_size=6))
def test_no_bar_leaves_the_page(times: list[tuple[float, float | None]]) -> None:
    """Jobs may have begun before the run that adopted them, by Azure's clock, and end after it."""
    steps = [step(began=begin, ended=begin + took if took is not None else None) for begin, took in times]
    for left, width in Reader(render_report(drill({"vm": "a", "state": "done", "steps": steps}))).bars:
        assert 0 <= left <= left + width <= 100.01


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (24.4, "24 s"),
        (59.6, "1 min 00 s"),
        (609, "10 min 09 s"),
        (7500, "2 h 05 min"),
        (90061, "25 h 01 min"),
    ],
)
def test_durations_read_as_people_say_them(seconds: float, words: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == words


def test_what_was_found_of_many_alike_things_is_a_table_with_the_columns_that_say_something() -> None:
    checks = [
        {"id": "locks", "state": "fail", "evidence": ["keep holds", "<b>"], "note": ""},
        {"id": "vm-arc", "state": "pass", "evidence": [], "note": None},
    ]
    page = render_report(
        {"id": "preflight-1", "kind": "preflight", "site": "hci-01", "state": "failed", "facts": {"checks": checks}}
    )
    assert "<h2>Checks</h2>" in page
    assert "<th>Id</th><th>State</th><th>Evidence</th></tr>" in page
    assert '<td data-label="Evidence">keep holds; &lt;b&gt;</td>' in page
    assert "<dt>Checks</dt>" not in page


def test_what_became_of_each_hook_is_told() -> None:
    ended = {
        "name": "switch dns",
        "kind": "runbook",
        "moment": "after",
        "state": "failed",
        "detail": "job <b>Failed</b>",
    }
    read = Reader(render_report(drill(hooks=[ended])))
    assert [word for word in ("switch dns", "runbook", "after", "job <b>Failed</b>") if word not in read.text] == []


def test_the_page_says_the_result_first_and_who_decided_what_is_owed_and_of_which_plan() -> None:
    item = {"vm": "sql-01", "state": "done", "steps": [step(recoveryPointTime=at(-3))]}
    run = drill(
        item,
        {"vm": "web-01", "state": "failed", "code": "28031", "detail": "no cores", "steps": []},
        state="failed",
        planDigest="0123456789abcdef",
        planVersion=7,
        networks=["/networks/vnet-dr"],
        leftOut=[{"vm": "old-01", "code": "not-protected", "detail": "old-01 has no replica"}],
        decisions=[{"verdict": "skip", "by": "ben", "vms": ["web-01"], "comment": "ticket 4711", "at": at(9)}],
        approvals=[{"by": "eve", "approved": True, "comment": "ok, seen", "at": at(1)}],
        obligations=[
            {"owner": "drill-payroll-3f9c1a2b77d0", "kind": "source-off", "vms": ["sql-01"], "remedy": "Turn it off."},
            {"owner": "failover-1", "kind": "commit", "vms": ["x-99"]},
        ],
        failures=[{"vm": "web-01", "code": "28031", "detail": "no cores", "remedy": "Raise the quota."}],
    )
    run["summary"] = describe_result(run)
    assert run["summary"] == (
        "Failed: 1 of 2 VMs done, not web-01 in 40 min 00 s; web-01: no cores (28031) Raise the quota. "
        "Still owed: source-off."
    )
    page = Reader(render_report(run))
    wanted = ("old-01 has no replica", "ticket 4711", "ok, seen", "ben", "eve", "Turn it off.", "/networks/vnet-dr")
    for words in (*wanted, "version 7, digest 0123456789ab", "2027-03-01 02:57:00", "Raise the quota."):
        assert words in page.text
    assert "x-99" not in page.text
    assert page.text.index(run["summary"]) < page.text.index("Started")


@pytest.mark.parametrize(
    ("run", "sentence"),
    [
        ({"state": "succeeded", "items": [{"vm": "a", "state": "done"}]}, "Succeeded: 1 of 1 VMs done."),
        (
            {"state": "waiting", "waitingForText": "a decision on a."},
            "Waiting for a person (under way): a decision on a.",
        ),
        (
            {"state": "running", "progress": {"completed": 2, "total": 5}, "waitingForText": "job of a"},
            "Not ended: 2 of 5 VMs done, waiting for job of a.",
        ),
        (
            {"state": "failed", "obstacles": [{"vm": "", "code": "held", "detail": "n1 is being repaired."}]},
            "Refused, and nothing was changed: n1 is being repaired. (held).",
        ),
        ({"state": "failed", "verdict": "1 of 9 steps did not end as declared: policy."}, None),
    ],
)
def test_the_result_is_one_sentence(run: dict[str, Any], sentence: str | None) -> None:
    about = {"id": "x-1", "kind": "failover", **run}
    assert describe_result(about) == (sentence or f"Failed. {run['verdict']}")
