"""How people get into the page, out of it, and what they see who may not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.host.keys import write_lab_keys
from lab.host.sign_in_page import CHOICE, LOGIN
from lab.servers import Servers, free_ports
from tests.ui.conftest import SPEED, Screen, open_screen

KEY = "lab-key"


def test_nobody_is_shown_anything_and_a_sign_out_leads_back_there(screen: Screen) -> None:
    screen.page.goto(f"{screen.base}/api/ui")
    screen.page.get_by_role("link", name="Sign in").wait_for()
    assert "payroll" not in screen.text
    screen.sign_in("cai")
    screen.page.get_by_role("button", name="Sign out").click()
    screen.page.get_by_role("link", name="Sign in").wait_for()
    screen.complaints = [one for one in screen.complaints if "401" not in one]


def test_a_person_without_a_role_is_told_so(screen: Screen) -> None:
    screen.page.goto(f"{screen.base}{LOGIN}?{CHOICE}=lab-fay&post_login_redirect_uri=/api/ui")
    screen.page.get_by_text("this needs the role Dr.Read; fay has none").wait_for()
    screen.page.get_by_role("link", name="Sign in as somebody else").click()
    screen.page.get_by_role("link", name="Sign in", exact=True).wait_for()
    screen.complaints = [one for one in screen.complaints if "403" not in one and "401" not in one]


def test_a_session_that_has_ended_is_told_with_what_to_do(screen: Screen) -> None:
    screen.sign_in("cai")
    screen.page.context.clear_cookies()
    screen.go("#/plans", "Plans")
    screen.page.get_by_role("button", name="Sign in again").first.click()
    screen.page.get_by_role("link", name="Sign in").click()
    screen.page.get_by_role("link", name="cai: Dr.Read").click()
    screen.page.get_by_role("heading", name="Plans", level=1).wait_for()  # where one was
    screen.settle()
    screen.complaints = [one for one in screen.complaints if "401" not in one]


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Both servers, where function keys are the door."""
    folder: Path = tmp_path_factory.mktemp("keys")
    write_lab_keys(folder / "keys.json")
    both = Servers.of(folder, free_ports(), SPEED, "--auth")
    both.start()
    yield both
    both.stop()


def test_a_key_opens_the_page_and_is_kept_in_the_window_alone(browser: Any, locked: Servers) -> None:
    screen = open_screen(browser, locked.host.base)
    screen.page.goto(f"{screen.base}/api/ui")
    screen.page.get_by_label("Function key").fill("guessed")
    screen.page.get_by_role("button", name="Open").click()
    screen.page.get_by_text("The app does not know this key.").wait_for()
    screen.page.get_by_label("Function key").fill(KEY)
    screen.page.get_by_role("button", name="Open").click()
    screen.page.get_by_role("heading", name="Now", level=1).wait_for()
    screen.settle()
    assert KEY not in screen.page.evaluate("document.cookie + JSON.stringify(localStorage) + location.href")
    assert KEY not in screen.page.content()
    screen.page.get_by_role("button", name="Sign out").click()
    screen.page.get_by_label("Function key").wait_for()
    assert screen.page.evaluate("sessionStorage.length") == 0
    assert all("401" in one for one in screen.complaints)
