"""The verbs on a plan: shown first, confirmed where they cannot be undone, started once, and followed."""

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from hcidr import views
from hcidr.api import Api
from hcidr.session import SESSION, USAGE, Json, NoWait, Vms, app, follow, say, segment, show

VERBS = ("drill", "failover", "commit", "cancel", "change-point", "failback", "reprotect", "roundtrip")


@app.command()
def preview(
    verb: Annotated[str, typer.Argument(help=", ".join(VERBS))],
    plan: str,
    vm: Vms = None,
    unplanned: Annotated[bool, typer.Option("--unplanned", help="Of a failover: the site is lost.")] = False,
    as_json: Json = False,
) -> None:
    """What a verb would do; changes nothing."""
    _require_verb(verb)
    answer = _preview(SESSION.connect(), verb, plan, _options(vm, unplanned=unplanned))
    show(answer, views.preview_view(answer), as_json=as_json)


def _require_verb(verb: str) -> None:
    if verb not in VERBS:
        raise typer.BadParameter(f"is one of {', '.join(VERBS)}", param_hint="verb")


def _options(vms: list[str] | None, *, unplanned: bool = False, override: str = "") -> dict[str, Any]:
    return {
        **({"vms": vms} if vms else {}),
        **({"type": "unplanned"} if unplanned else {}),
        **({"override": override} if override else {}),
    }


def _preview(api: Api, verb: str, plan: str, options: Mapping[str, Any]) -> Any:
    return api.post(f"plans/{segment(plan)}/{verb}?preview=true", options)


def _begin(verb: str, plan: str, options: dict[str, Any], *, yes: str, no_wait: bool, as_json: bool) -> None:
    """Show what would happen, let it be confirmed where it cannot be undone, start it once, and follow it."""
    api = SESSION.connect()
    seen = _preview(api, verb, plan, {name: value for name, value in options.items() if name != "override"})
    if not as_json:
        SESSION.console.print(views.preview_view(seen))
    _confirm(seen, plan, yes)
    if seen.get("confirm"):
        options["confirm"] = seen["confirm"]
    begun = api.post(f"plans/{segment(plan)}/{verb}", options)
    follow(api, begun["id"], no_wait=no_wait, as_json=as_json)


def _confirm(seen: Mapping[str, Any], plan: str, yes: str) -> None:
    """Have the plan's name typed before what cannot be undone; --yes REASON does for a pipeline."""
    if yes or not (seen.get("irreversible") or seen.get("confirm")):
        return
    if not sys.stdin.isatty():
        say('This cannot be undone, and nobody is here to confirm it: --yes "the reason"', "red")
        raise typer.Exit(USAGE)
    if typer.prompt(f"This cannot be undone. Type the plan's name ({plan}) to go on") != plan:
        say("That is another name. Nothing was done.", "yellow")
        raise typer.Exit(USAGE)


Yes = Annotated[str, typer.Option("--yes", metavar="REASON", help="Ask nothing; for pipelines. Takes the reason.")]
Override = Annotated[str, typer.Option(help="Begin although the plan is not ready: the reason, which is kept.")]


def _verb_command(verb: str, text: str) -> None:
    """Register a verb that takes what all of them take."""

    def command(
        plan: str,
        vm: Vms = None,
        override: Override = "",
        yes: Yes = "",
        no_wait: NoWait = False,
        as_json: Json = False,
    ) -> None:
        _begin(verb, plan, _options(vm, override=override), yes=yes, no_wait=no_wait, as_json=as_json)

    app.command(verb, help=text)(command)


for _verb, _text in {
    "drill": "Rehearse a plan: test failover, probes, cleanup.",
    "commit": "Make a failover final.",
    "cancel": "Give a failover up.",
    "change-point": "Start the VMs again from another recovery point.",
    "failback": "Bring the VMs home.",
    "reprotect": "Protect them again.",
    "roundtrip": "Over to Azure, home again, and protected again.",
}.items():
    _verb_command(_verb, _text)


@app.command()
def failover(  # noqa: PLR0913, PLR0917 - the options of a command are its arguments
    plan: str,
    unplanned: Annotated[bool, typer.Option("--unplanned", help="The site is lost: nothing is asked of it.")] = False,
    drill: Annotated[str, typer.Option(help="clean-up-first or leave: what becomes of a drill that has the VMs.")] = "",
    vm: Vms = None,
    override: Override = "",
    yes: Yes = "",
    no_wait: NoWait = False,
    as_json: Json = False,
) -> None:
    """Bring a plan's VMs to Azure."""
    options = _options(vm, unplanned=unplanned, override=override) | ({"drill": drill} if drill else {})
    _begin("failover", plan, options, yes=yes, no_wait=no_wait, as_json=as_json)
