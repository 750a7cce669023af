"""The commands against an app that answers what it is told: what is sent, what is shown, and the exit status."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

import hcidr.main  # noqa: F401 - registers the commands
from hcidr.api import Api, ApiProblem
from hcidr.session import SESSION, app
from tests.hcidr.api_rules import find_trouble

PREVIEW = {
    "kind": "planned-failover",
    "plan": "payroll",
    "order": [["dc-01"], ["web-01"]],
    "irreversible": ["Commit: points are deleted"],
    "concerns": [{"vm": "web-01", "code": "x", "detail": "web-01 is behind"}],
    "confirm": "",
}
ENDED = {
    "id": "failover-1",
    "kind": "failover",
    "plan": "payroll",
    "state": "succeeded",
    "phase": "Finished",
    "summary": "Succeeded: 2 of 2 VMs done.",
    "items": [{"vm": "web-01", "state": "done"}],
    "nextSteps": [],
}
FAILED = {
    **ENDED,
    "state": "failed",
    "summary": "Failed.",
    "failures": [{"vm": "web-01", "code": "539", "detail": "no quota", "remedy": "ask for more"}],
    "nextSteps": [{"verb": "failover", "why": "again", "route": "POST /api/plans/payroll/failover"}],
}
WAITING = {
    **ENDED,
    "state": "waiting",
    "waitingForText": "Waiting for 1 approval",
    "nextSteps": [{"verb": "approve", "why": "", "route": "POST /api/operations/failover-1/approve"}],
}


class Fake:
    """An app: answers by method and path, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], list[Any]] = {}
        self.asked: list[tuple[str, str, Any, httpx.Headers]] = []

    def says(self, method: str, path: str, *answers: Any) -> None:
        self.answers[method, path] = list(answers)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = str(request.url).partition("/api/")[2]
        body = json.loads(request.content) if request.content else None
        self.asked.append((request.method, path, body, request.headers))
        assert find_trouble(request.method, path, body) == ""
        answers = self.answers.get((request.method, path))
        if not answers:
            problem = {"title": "Unknown", "status": 404, "detail": f"no {path}", "errors": []}
            return httpx.Response(404, json=problem)
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)

    def sent(self, method: str) -> list[tuple[str, Any]]:
        return [(path, body) for verb, path, body, _ in self.asked if verb == method]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    found = Fake()
    monkeypatch.setattr("hcidr.watching.time.sleep", lambda _seconds: None)
    monkeypatch.setattr("hcidr.api.time.sleep", lambda _seconds: None)
    monkeypatch.setattr(SESSION, "connect", lambda: Api("https://app", {}, httpx.MockTransport(found)))
    return found


@pytest.fixture
def call(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    def called(*arguments: str, typed: str = "") -> Result:
        monkeypatch.setattr(SESSION, "console", Console(width=200, no_color=True, highlight=False))
        return CliRunner().invoke(app, list(arguments), input=typed)

    return called


@pytest.mark.parametrize("unplanned", [(), ("--unplanned",)])
def test_every_option_of_a_failover_is_one_that_the_app_knows(
    fake: Fake, call: Callable[..., Result], unplanned: tuple[str, ...]
) -> None:
    fake.says("POST", "plans/payroll/failover?preview=true", PREVIEW)
    fake.says("POST", "plans/payroll/failover", {"id": "failover-1"})
    fake.says("GET", "operations/failover-1", ENDED)
    options = ("--vm", "web-01", "--override", "the site burns", "--yes", "incident 7", *unplanned)
    assert call("failover", "payroll", *options).exit_code == 0
    bodies = [body for _, body in fake.sent("POST")]
    assert {body.get("type") for body in bodies} == ({"unplanned"} if unplanned else {None})


def test_a_failover_is_shown_started_once_and_followed(fake: Fake, call: Callable[..., Result]) -> None:
    fake.says("POST", "plans/payroll/failover?preview=true", PREVIEW)
    fake.says("POST", "plans/payroll/failover", {"id": "failover-1"})
    fake.says("GET", "operations/failover-1", {**ENDED, "state": "running"}, ENDED)
    done = call("failover", "payroll", "--yes", "incident 7", "--vm", "web-01")
    assert done.exit_code == 0, done.output
    assert "Cannot be undone: Commit: points are deleted" in done.output
    assert "Succeeded: 2 of 2 VMs done." in done.output
    assert fake.sent("POST") == [
        ("plans/payroll/failover?preview=true", {"vms": ["web-01"]}),
        ("plans/payroll/failover", {"vms": ["web-01"]}),
    ]
    assert fake.asked[-3][3]["Idempotency-Key"]


def test_what_cannot_be_undone_is_not_begun_where_nobody_confirms_it(fake: Fake, call: Callable[..., Result]) -> None:
    fake.says("POST", "plans/payroll/failover?preview=true", PREVIEW)
    done = call("failover", "payroll")
    assert done.exit_code == 2
    assert [path for path, _ in fake.sent("POST")] == ["plans/payroll/failover?preview=true"]


def test_the_sentence_of_a_preview_is_repeated(fake: Fake, call: Callable[..., Result]) -> None:
    fake.says("POST", "plans/payroll/commit?preview=true", {**PREVIEW, "confirm": "Commit payroll"})
    fake.says("POST", "plans/payroll/commit", {"id": "failover-1"})
    fake.says("GET", "operations/failover-1", ENDED)
    assert call("commit", "payroll", "--yes", "x").exit_code == 0
    assert fake.sent("POST")[-1] == ("plans/payroll/commit", {"confirm": "Commit payroll"})


@pytest.mark.parametrize(("run", "status"), [(ENDED, 0), (FAILED, 1), ({**ENDED, "state": "aborted"}, 1), (WAITING, 3)])
def test_the_exit_status_says_how_a_run_stands(
    fake: Fake, call: Callable[..., Result], run: dict[str, Any], status: int
) -> None:
    fake.says("GET", "operations/failover-1", run)
    assert call("watch", "failover-1").exit_code == status


def test_all_errors_come_again_at_the_end_with_the_next_command(fake: Fake, call: Callable[..., Result]) -> None:
    fake.says("GET", "operations/failover-1", FAILED)
    said = call("watch", "failover-1").output
    assert "web-01: no quota: ask for more [539]" in said
    assert "then: hcidr failover payroll   again" in said
    fake.says("GET", "operations/failover-1", WAITING)
    assert "then: hcidr approve failover-1" in call("watch", "failover-1").output


def test_a_refusal_names_everything_that_is_wrong(fake: Fake) -> None:
    api = SESSION.connect()
    problem = {
        "title": "Invalid request",
        "status": 400,
        "detail": "items: too many (and 1 more)",
        "errors": [{"field": "items", "detail": "too many"}, {"field": "site", "detail": "is missing"}],
    }
    fake.says("PUT", "plans/payroll", httpx.Response(400, json=problem))
    with pytest.raises(ApiProblem) as caught:
        api.put("plans/payroll", {})
    assert str(caught.value).splitlines() == [
        "Invalid request (400): items: too many (and 1 more)",
        "  items: too many",
        "  site: is missing",
    ]


@pytest.mark.parametrize("silence", [httpx.ConnectError("refused"), httpx.Response(503, json={}), httpx.Response(429)])
def test_what_does_not_answer_is_read_again_and_begun_once(fake: Fake, silence: Any) -> None:
    api = SESSION.connect()
    fake.says("GET", "plans", silence, silence, {"value": []})
    assert api.get("plans") == {"value": []}
    fake.says("POST", "plans/payroll/drill", silence)
    with pytest.raises(ApiProblem):
        api.post("plans/payroll/drill")
    assert len(fake.sent("POST")) == 1


def test_a_list_is_read_page_after_page(fake: Fake) -> None:
    fake.says("GET", "operations?state=waiting", {"value": [{"id": "a"}], "nextLink": "/api/operations?after=a"})
    fake.says("GET", "operations?after=a", {"value": [{"id": "b"}]})
    assert [run["id"] for run in SESSION.connect().list_all("operations", state="waiting")] == ["a", "b"]


def test_an_approval_is_of_what_was_shown(fake: Fake, call: Callable[..., Result]) -> None:
    fake.says("GET", "operations/failover-1", {**WAITING, "preview": {**PREVIEW, "previewDigest": "d1"}})
    fake.says("POST", "operations/failover-1/approve", {})
    assert call("approve", "failover-1", "--comment", "go", typed="n\n").exit_code == 2
    assert fake.sent("POST") == []
    assert call("approve", "failover-1", "--comment", "go", typed="y\n").exit_code == 0
    assert fake.sent("POST") == [("operations/failover-1/approve", {"preview": "d1", "comment": "go"})]


@pytest.mark.parametrize("decision", ["reject", "retry", "skip", "resume", "abort"])
def test_each_decision_is_sent_as_it_was_said(fake: Fake, call: Callable[..., Result], decision: str) -> None:
    fake.says("POST", f"operations/failover-1/{decision}", {})
    assert call(decision, "failover-1", "--comment", "seen").exit_code == 0
    assert fake.sent("POST") == [(f"operations/failover-1/{decision}", {"comment": "seen"})]


def test_names_are_quoted_in_paths(fake: Fake, call: Callable[..., Result]) -> None:
    call("heal", "hci-01", "../../plans")
    assert fake.sent("POST")[0][0] == "sites/hci-01/nodes/..%2F..%2Fplans/repair"


def test_a_plan_goes_from_live_machines_to_a_file_and_back(
    fake: Fake, call: Callable[..., Result], tmp_path: Path
) -> None:
    vms = [
        {"vm": "web-01", "itemId": "i"},
        {"vm": "WEB-02", "itemId": "i"},
        {"vm": "sql", "itemId": "i"},
        {"vm": "web-3"},
    ]
    fake.says("GET", "sites/hci-01/replication", {"value": vms})
    file = tmp_path / "plan.yaml"
    file.write_text(call("plan", "new", "--site", "hci-01", "--vms", "web-*").output)
    declared = {"site": "hci-01", "items": [{"vm": "web-01", "after": []}], "etag": '"1-a"', "version": 1}
    fake.says("GET", "plans/web", declared)
    compared = call("plan", "diff", "web", "-f", str(file))
    assert (compared.exit_code, "+- vm: WEB-02" in compared.output) == (1, True), compared.output
    fake.says("PUT", "plans/web", {"outcome": "changed", "warnings": ["x is also in y"]})
    assert "warning: x is also in y" in call("plan", "apply", "web", "-f", str(file)).output
    path, body = fake.sent("PUT")[0]
    assert (path, [item["vm"] for item in body["items"]]) == ("plans/web", ["web-01", "WEB-02"])
    assert fake.asked[-1][3]["If-Match"] == '"1-a"'
    fake.says("PUT", "plans/web", httpx.Response(202, json={"id": "change-1", "statusUrl": "/api/operations/change-1"}))
    waits = call("plan", "apply", "web", "-f", str(file))
    assert (waits.exit_code, "hcidr approve change-1" in waits.output) == (3, True)


def test_what_is_no_plan_is_told(fake: Fake, call: Callable[..., Result], tmp_path: Path) -> None:
    for name, content in (("a.yaml", "- 1"), ("b.yaml", "{"), ("c.yaml", "!!python/object/apply:os.system ['x']")):
        (tmp_path / name).write_text(content)
        done = call("plan", "apply", "web", "-f", str(tmp_path / name))
        assert type(done.exception).__name__ == "WrongFile"
    assert fake.asked == []


def test_nothing_that_others_wrote_moves_the_cursor(fake: Fake, call: Callable[..., Result]) -> None:
    hostile = "web\x1b[2K\r[bold]x[/bold]"
    fake.says("GET", "operations/failover-1", {**FAILED, "summary": hostile, "requestedBy": hostile})
    said = call("why", "failover-1").output
    assert "\x1b" not in said
    assert "[bold]x[/bold]" in said


def test_json_is_the_answer_as_it_is(fake: Fake, call: Callable[..., Result]) -> None:
    fake.says("GET", "sites", {"value": [{"name": "hci-01", "health": {"state": "healthy"}}]})
    assert json.loads(call("sites", "--json").output)["value"][0]["name"] == "hci-01"


ACT = {
    "entry": 7,
    "signed": True,
    "act": "refused",
    "subject": "put_plan",
    "at": "2026-12-01T03:00:00+00:00",
    "count": 40,
}
ACT |= {
    "until": "2026-12-01T03:04:00+00:00",
    "by": "eve\x1b[2J",
    "byId": "e",
    "facts": {"status": 403, "names": ["payroll"]},
}


def test_acts_of_administration_are_listed_as_they_were_asked_for(fake: Fake, call: Callable[..., Result]) -> None:
    page = {"value": [ACT], "integrityErrors": ["heads/00000003.json is missing"], "nextLink": "/x"}
    fake.says("GET", "evidence/administration?act=refused&person=eve&top=50", page)
    shown = call("audit", "--act", "refused", "--person", "eve").output
    for text in ("refused x 40", "put_plan", "status: 403", "00000003.json is missing", "more"):
        assert text in shown
    assert "\x1b[2J" not in shown
    fake.says("GET", "evidence/administration?top=50", page)
    assert json.loads(call("audit", "--json").output) == page


GROUPS = [("plan", "plans"), ("site", "sites"), ("policy", "approval-policies"), ("notify", "notification-rules")]


@pytest.mark.parametrize(("group", "path"), GROUPS)
def test_a_document_of_each_kind_is_declared_from_a_file_under_the_tag_that_was_read(
    fake: Fake, call: Callable[..., Result], tmp_path: Path, group: str, path: str
) -> None:
    declared = {"name": "x", "version": 3, "etag": '"3-a"', "covers": {"plans": ["payroll"]}, "deliveries": {"sent": 1}}
    fake.says("GET", f"{path}/x", declared)
    fake.says("PUT", f"{path}/x", {"outcome": "changed", "etag": '"4-b"'})
    file = tmp_path / "x.yaml"
    file.write_text("covers: {plans: [payroll]}\n")
    assert call(group, "diff", "x", "-f", str(file)).exit_code == 0
    assert call(group, "apply", "x", "-f", str(file)).exit_code == 0
    assert fake.sent("PUT") == [(f"{path}/x", {"covers": {"plans": ["payroll"]}})]
    assert fake.asked[-1][3]["If-Match"] == '"3-a"'


@pytest.mark.parametrize(("group", "path"), GROUPS[2:])
def test_what_is_declared_is_listed_and_withdrawn(
    fake: Fake, call: Callable[..., Result], group: str, path: str
) -> None:
    fake.says("GET", path, {"value": [{"name": "night", "version": 2, "covers": {"plans": ["payroll"]}}]})
    fake.says("DELETE", f"{path}/night", {"id": "change-1", "statusUrl": "/api/operations/change-1"})
    shown = call(group, "list")
    assert "night" in shown.output
    assert "plans payroll" in shown.output
    withdrawn = call(group, "withdraw", "night")
    assert withdrawn.exit_code == 3
    assert "hcidr approve change-1" in withdrawn.output
