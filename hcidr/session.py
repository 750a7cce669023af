"""What the commands share: which app is spoken to, and how answers are shown."""

import json
import os
from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console

from hcidr import views
from hcidr.api import Api
from hcidr.profiles import headers_of, load_profile
from hcidr.watching import exit_status, follow_run

app = typer.Typer(no_args_is_help=True, help="Disaster recovery of Hyper-V VMs with Azure Site Recovery.")
USAGE = 2
Json = Annotated[bool, typer.Option("--json", help="Print the API's answer as it is.")]
Vms = Annotated[list[str] | None, typer.Option("--vm", help="Only this VM of the plan; may be given again.")]
Comment = Annotated[str, typer.Option("--comment", help="Why: it is kept with the run.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not follow the run.")]


class Session:
    """What one call of the command line shares: which app, and how it is shown."""

    def __init__(self) -> None:
        self.profile = ""
        self.console = Console()
        self.connect: Callable[[], Api] = self._open

    def _open(self) -> Api:
        profile = load_profile(self.profile, os.environ)
        return Api(profile.url, headers_of(profile))


SESSION = Session()


@app.callback()
def choose_app(
    profile: Annotated[str, typer.Option("--profile", envvar="HCIDR_PROFILE", help="Which app, by login's name.")] = "",
) -> None:
    """Choose which app is spoken to."""
    SESSION.profile = profile


def show(answer: Any, view: Any, *, as_json: bool) -> None:
    """The answer as it is, or as people read it."""
    if as_json:
        SESSION.console.print(json.dumps(answer, indent=2), markup=False, highlight=False, soft_wrap=True)
    else:
        SESSION.console.print(view)


def say(text: str, style: str = "") -> None:
    """A line of our own."""
    SESSION.console.print(views.plain(text), style=style or None, markup=False, highlight=False, soft_wrap=True)


def segment(text: str) -> str:
    """A name as it stands in a path."""
    return quote(text, safe="")


def follow(api: Api, run: str, *, no_wait: bool, as_json: bool) -> None:
    """Follow a run to its end, or show how it stands; the exit status says how it ended."""
    if no_wait:
        answer = api.get(f"operations/{run}")
        show(answer, views.run_view(answer), as_json=as_json)
        return
    quiet = Console(stderr=True) if as_json else SESSION.console
    ended = follow_run(api, run, quiet)
    if as_json:
        show(ended, None, as_json=True)
    raise typer.Exit(exit_status(ended))
