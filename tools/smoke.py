"""Asks a deployed app whether it works, and changes nothing: health, the API's description, sites, readiness, previews.

TOKEN is an access token of somebody with Dr.Read, or KEY a function key. The exit status is 0 only if each check holds:
a deployment whose engine does not answer fails here, before anything depends on it.
"""

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from hcidr.profiles import WrongProfile, check_url

PATIENCE = 60.0
"""Seconds for one answer: the first one starts an app that slept."""
JUDGED_VERB = "failover"


class Failed(Exception):
    """A check does not hold; the message says what was seen."""


class App(NamedTuple):
    """An app that is asked.

    Attributes:
        base: Its URL, up to and without /api.
        headers: What shows who asks.
    """

    base: str
    headers: Mapping[str, str]

    def ask(self, method: str, path: str, body: Any = None, within: str = "api/") -> Any:
        """One answer, parsed; `within` is where the path begins.

        Raises:
            Failed: it is no success, or there is none.
        """
        content = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **self.headers}
        request = urllib.request.Request(f"{self.base}/{within}{path}", content, headers, method=method)  # noqa: S310 - see app_at
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310 - see app_at
                return json.loads(answer.read())
        except urllib.error.HTTPError as refused:
            text = refused.read().decode(errors="replace")
            raise Failed(f"{method} /{within}{path} answered {refused.code}: {_detail_of(text)}") from None
        except (OSError, ValueError) as silence:
            raise Failed(f"{method} /{within}{path} has no answer: {silence}") from None


def _detail_of(text: str) -> str:
    try:
        problem = json.loads(text)
        return str(problem.get("detail") or problem)[:300]
    except (ValueError, AttributeError):
        return text[:300] or "nothing"


def app_at(url: str, environ: Mapping[str, str]) -> App:
    """The app at this address.

    Raises:
        Failed: it is no https URL; http is for this very machine.
    """
    try:
        base = check_url(url)
    except WrongProfile as wrong:
        raise Failed(str(wrong)) from None
    named = {"Authorization": f"Bearer {environ['TOKEN']}"} if environ.get("TOKEN") else {}
    named |= {"x-functions-key": environ["KEY"]} if environ.get("KEY") else {}
    return App(base, named)


def check_health(app: App) -> str:
    """A round trip through the engine, an orchestrator and an entity."""
    health = app.ask("GET", "health")
    parts = ("engine", "orchestrators", "entities", "timer")
    if unwell := [f"{part} is {health.get(part)!r}" for part in parts if health.get(part) != "ok"]:
        raise Failed(f"the app answers, and {', '.join(unwell)}")
    release, door = health.get("release") or "not known", health.get("door") or "an unknown door"
    return f"release {release}, callers come in by {door}"


def check_description(app: App) -> str:
    """The API's own description."""
    description = app.ask("GET", "openapi.json")
    version, paths = description["info"]["version"], description["paths"]
    return f"OpenAPI {description['openapi']}, version {version}, {len(paths)} paths"


def check_sites(app: App) -> str:
    """Each declared site, as Azure shows it to the app."""
    sites = app.ask("GET", "sites")["value"]
    silent = [f"{site['name']}: {site['health'].get('detail', '')}" for site in sites if _is_unknown(site)]
    if silent:
        raise Failed(f"Azure does not answer the app for {'; '.join(silent)}")
    return ", ".join(f"{site['name']} {site['health']['state']}" for site in sites) or "none is declared yet"


def _is_unknown(site: Mapping[str, Any]) -> bool:
    return bool(site["health"]["state"] == "unknown")


def check_previews(app: App) -> Iterator[str]:
    """What a failover of each plan would do."""
    for plan in app.ask("GET", "plans")["value"]:
        preview = app.ask("POST", f"plans/{quote(plan['name'])}/{JUDGED_VERB}?preview=true", {})
        said = len(preview.get("blockers", ())), len(preview.get("concerns", ()))
        yield f"{plan['name']}: {said[0]} blockers, {said[1]} concerns"


def _all_previews(app: App) -> str:
    return "; ".join(check_previews(app)) or "no plan is declared yet"


def check_host(app: App) -> str:
    """Which release of the Functions host serves the app, and of the extension bundle, which has the durable engine.

    Only the host's master key opens that; without it nothing is known, and nothing is wrong.
    """
    try:
        status = app.ask("GET", "admin/host/status", within="")
    except Failed as refused:
        return f"not told: KEY has to be the host's master key ({refused})"
    bundle = status.get("extensionBundle") or {}
    return f"Functions host {status.get('version', 'unknown')}, extension bundle {bundle.get('version', 'unknown')}"


CHECKS: Mapping[str, Callable[[App], str]] = {
    "health": check_health,
    "description": check_description,
    "sites": check_sites,
    "previews": _all_previews,
    "host": check_host,
}


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Check the app at the URL that is given: the exit status, and a line for each check."""
    if len(arguments) != 1:
        sys.stderr.write("smoke: give the app's URL: make smoke URL=https://func-x.azurewebsites.net\n")
        return 2
    failed = 0
    try:
        app = app_at(arguments[0], environ)
    except Failed as wrong:
        sys.stderr.write(f"smoke: {wrong}\n")
        return 2
    for name, check in CHECKS.items():
        try:
            sys.stdout.write(f"ok      {name}: {check(app)}\n")
        except Failed as failure:
            failed += 1
            sys.stdout.write(f"FAILED  {name}: {failure}\n")
        except (LookupError, TypeError, AttributeError) as strange:
            failed += 1
            sys.stdout.write(f"FAILED  {name}: its answer is not as described: {type(strange).__name__} {strange}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
