"""A lab behind its sign-in, and Debian's Chromium driven by Playwright; without either these tests are skipped."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.host.keys import write_lab_keys
from lab.host.sign_in_page import CHOICE, LOGIN
from lab.servers import Servers, free_ports
from tests.product.conftest import Lab

SPEED = 200
CHROMIUM = shutil.which("chromium")
PHONE, DESK = (390, 844), (1280, 900)
PATIENCE = 20_000
"""Milliseconds: how long something may take to appear on a busy machine."""


class Screen:
    """The page in a browser, as one person sees it.

    Attributes:
        complaints: Errors on the console, scripts that failed, and answers that the page did not expect.
        hosts: Every host that it asked for something.
        sent: Each request that changes something, as method, path and body.
    """

    def __init__(self, page: Any, base: str) -> None:
        self.page, self.base = page, base
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        self.sent: list[tuple[str, str, Any]] = []
        page.set_default_timeout(PATIENCE)
        page.on("console", self._note_console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._note_request)

    def sign_in(self, person: str) -> None:
        """By the lab's choice of persons, as somebody does who follows the sign-in link."""
        self.page.goto(f"{self.base}{LOGIN}?{CHOICE}=lab-{person}&post_login_redirect_uri=/api/ui")
        self.page.get_by_role("heading", name="Now", level=1).wait_for()

    def go(self, where: str, heading: str) -> None:
        """To a screen, once its heading is there and what it reads has come."""
        self.page.goto(f"{self.base}/api/ui{where}")
        self.page.get_by_role("heading", name=heading, level=1).first.wait_for()
        self.settle()

    def settle(self) -> None:
        """Wait until nothing is being read for the first time any more."""
        self.page.wait_for_function("() => !document.querySelector('.loading')", timeout=PATIENCE)

    @property
    def text(self) -> str:
        """All that is in sight."""
        return str(self.page.inner_text("body"))

    def _note_console(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def _note_request(self, request: Any) -> None:
        self.hosts.add(request.url.split("/")[2])
        if request.method != "GET":
            body = json.loads(request.post_data) if request.post_data else None
            self.sent.append((request.method, request.url.removeprefix(self.base), body))


@pytest.fixture(scope="package")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Both servers, with App Service authentication before the app, until the last test here."""
    folder = tmp_path_factory.mktemp("lab")
    write_lab_keys(folder / "keys.json")
    both = Servers.of(folder, free_ports(), SPEED, "--auth", "--sign-in", "require")
    both.start()
    yield both
    both.stop()


@pytest.fixture
def lab(servers: Servers) -> Lab:
    """The lab with the default scenario as new."""
    lab = Lab(servers)
    lab.reset()
    return lab


def moves(lab: Lab) -> list[tuple[str, str]]:
    """The verbs that Site Recovery was sent; what is owed from earlier tests may have looked at the nodes."""
    return [(verb, item) for verb, item in lab.verbs() if "runCommands" not in verb]


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """Chromium, until the last test here."""
    if CHROMIUM is None:
        pytest.skip("chromium is not here: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not here")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


def open_screen(browser: Any, base: str, size: tuple[int, int] = DESK, scheme: str = "light") -> Screen:
    """A window of its own, with no session yet."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, locale="en-GB", timezone_id="UTC"
    )
    return Screen(context.new_page(), base)


@pytest.fixture
def screen(browser: Any, lab: Lab) -> Iterator[Screen]:
    """A window at a desk; at the end it has complained of nothing and asked no other host."""
    opened = open_screen(browser, lab.servers.host.base)
    yield opened
    opened.page.context.close()
    assert opened.complaints == []
    assert opened.hosts == {opened.base.split("/")[2]}


def axe_source() -> str:
    """The script that finds what a screen reader or a keyboard cannot use."""
    file = Path(__file__).parents[2] / "ui/node_modules/axe-core/axe.min.js"
    if not file.exists():
        pytest.skip("axe-core is not here: `make ui` fetches it")
    return file.read_text()
