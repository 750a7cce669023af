"""The files of the page: answered to everybody, as what they are, and never anything else."""

import json
import re
from pathlib import Path

import azure.functions as func
import pytest

from lab.host.sign_in import ENTRA, EXCLUDED
from tests.infra.templates import deploy_main, of_type
from tests.people import let_people_sign_in, signed_in
from tests.triggers.doors import SilentEngine, door
from triggers.ui import DOOR, FILES, INDEX, MEDIA_TYPES, UI_POLICY, get_ui, get_ui_file

ROOT = Path(__file__).parents[2]
NAMES = sorted(path.name for path in FILES.iterdir() if path.name != INDEX)
ODD_NAMES = [
    "..",
    "../ui.py",
    "..\\ui.py",
    "/etc/passwd",
    "ui.py",
    "APP.JS",
    "app.js/",
    "app.js\x00",
    "",
    ".",
    "%2e%2e",
]


async def ask(name: str | None = None, **headers: str) -> func.HttpResponse:
    named = {"file": name} if name is not None else {}
    sent = {key.replace("_", "-"): value for key, value in headers.items()}
    request = func.HttpRequest("GET", "/api/ui", headers=sent, route_params=named, body=b"")
    handler = get_ui_file if name is not None else get_ui
    answered: func.HttpResponse = await handler._function.get_user_function()(request)
    return answered


@pytest.mark.parametrize("name", [None, *NAMES])
async def test_each_file_is_taken_as_what_it_is_and_loads_nothing_from_elsewhere(name: str | None) -> None:
    response = await ask(name)
    assert response.status_code == 200
    assert response.get_body() == (FILES / (name or INDEX)).read_bytes()
    assert response.mimetype == MEDIA_TYPES[Path(name or INDEX).suffix]
    assert response.headers["Content-Security-Policy"] == UI_POLICY
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "no-cache"


def test_the_policy_lets_run_only_what_the_app_answers() -> None:
    rules = dict(rule.split(" ", 1) for rule in UI_POLICY.split("; "))
    assert rules == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "img-src": "'self' data:",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


async def test_a_browser_that_has_a_file_is_not_sent_it_again() -> None:
    tag = (await ask("app.js")).headers["ETag"]
    again = await ask("app.js", If_None_Match=tag)
    assert (again.status_code, again.get_body()) == (304, b"")
    assert again.headers["ETag"] == tag
    assert (await ask("app.css", If_None_Match=tag)).status_code == 200


@pytest.mark.parametrize("name", ODD_NAMES)
async def test_no_name_leads_to_another_file(name: str) -> None:
    response = await ask(name)
    assert response.status_code == 404
    assert response.headers["Content-Security-Policy"] == UI_POLICY


@pytest.mark.parametrize(("door_name", "shown"), [("entra", "entra"), ("keys", "keys"), ("open", None)])
async def test_the_page_learns_which_door_there_is(
    door_name: str, shown: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (ENTRA if door_name == "entra" else {"DOOR": door_name, "KEY_ROLES": "Dr.Read"}).items():
        monkeypatch.setenv(name, value)
    response = await ask(DOOR)
    assert json.loads(response.get_body()) == {"door": shown}
    assert response.headers["Cache-Control"] == "no-store"


async def test_a_person_is_told_who_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    let_people_sign_in(monkeypatch)
    answer = await door("get_me").answer_to(SilentEngine(), signed_in("ann", "Dr.Operate"))
    assert answer.body["name"] == "ann"
    assert answer.body["roles"] == ["Dr.Drill", "Dr.Operate", "Dr.Read"]
    nobody = await door("get_me").answer_to(SilentEngine(), {})
    nobody.require_problem(401)


def test_the_first_view_needs_no_more_than_200_kb() -> None:
    assert sum(len((FILES / name).read_bytes()) for name in (INDEX, "app.js", "app.css", "icon.svg")) < 120_000


def test_no_file_runs_a_script_or_style_that_stands_in_the_page_or_on_another_host() -> None:
    page = (FILES / INDEX).read_text()
    assert re.findall(r"<(?:script|style)[^>]*>[^<]", page) == []
    assert re.findall(r"\son\w+=|style=|javascript:", page) == []
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert sources
    assert all(source.startswith("/api/ui/") for source in sources)
    hosts = {host for name in ("app.js", "graph.js", "app.css") for host in hosts_in((FILES / name).read_text())}
    assert hosts <= {"www.w3.org"}  # names of XML, which nothing fetches


def hosts_in(text: str) -> set[str]:
    return set(re.findall(r"https?://([\w.-]+)", text))


def test_the_lab_and_the_templates_let_through_the_files_of_the_page_and_no_more() -> None:
    files = {"/api/ui", *(f"/api/ui/{name}" for name in (*NAMES, DOOR))}
    (auth,) = (
        each
        for each in of_type(deploy_main(authClientId="c").resources, "Microsoft.Web/sites/config")
        if "authsettingsV2" in str(each.get("name"))
    )
    in_azure = {path for path in auth["properties"]["globalValidation"]["excludedPaths"] if "/ui" in path}
    assert in_azure == files
    assert {path for path in EXCLUDED if "/ui" in path} == files
    assert not any("*" in path for path in files)
