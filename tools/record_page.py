"""Takes the picture of the page for the README on a lab of its own: docs/images/page.png. Needs chromium."""

import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, ViewportSize, sync_playwright

from hcidr.api import Api
from lab.host.keys import write_lab_keys
from lab.host.sign_in_page import CHOICE, LOGIN
from lab.servers import Servers, free_ports, reset_lab, stopped_at_the_end

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "docs" / "images" / "page.png"
SIZE = ViewportSize(width=1280, height=860)
SPEED = 120.0


def show_something(base: str) -> str:
    """A drill that has come some way, which is worth a picture: its id."""
    api = Api(base, {"Authorization": "Bearer lab-eve"})
    run = str(api.post("plans/payroll/drill", {})["id"])
    view: Any = {}
    while (view.get("progress") or {}).get("completed", 0) < 2:
        time.sleep(0.5)
        view = api.get(f"operations/{run}")
    return run


def take_picture(page: Page, base: str) -> None:
    """Sign in, look at the run, and keep what is seen."""
    run = show_something(base)
    page.goto(f"{base}{LOGIN}?{CHOICE}=lab-eve&post_login_redirect_uri=/api/ui")
    page.get_by_role("heading", name="Now", level=1).wait_for()
    page.goto(f"{base}/api/ui#/run/{run}")
    page.get_by_role("heading", level=1, name="drill").wait_for()
    page.wait_for_function("() => !document.querySelector('.loading')")
    page.screenshot(path=str(TARGET))


def main() -> int:
    """Take it."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.stderr.write("record_page: chromium is not here: apt-get install chromium\n")
        return 1
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        write_lab_keys(Path(folder) / "keys.json")
        servers = Servers.of(Path(folder), free_ports(), SPEED, "--auth", "--sign-in", "require")
        with stopped_at_the_end(servers):
            servers.start()
            reset_lab(servers.azure, "default")
            browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            take_picture(browser.new_page(viewport=SIZE, locale="en-GB", timezone_id="UTC"), servers.host.base)
            browser.close()
    sys.stdout.write(f"{TARGET.relative_to(ROOT)}: {TARGET.stat().st_size:,} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
