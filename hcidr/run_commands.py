"""Runs: followed, explained, decided on."""

from typing import Annotated, Any

import typer

from hcidr import views
from hcidr.session import SESSION, USAGE, Comment, Json, Vms, app, follow, say, segment, show
from hcidr.watching import FAILED


@app.command()
def watch(run: str, as_json: Json = False) -> None:
    """Follow a run until it has ended or waits."""
    follow(SESSION.connect(), run, no_wait=False, as_json=as_json)


@app.command()
def why(run: str, vm: Annotated[str, typer.Argument(help="Only this VM.")] = "", as_json: Json = False) -> None:
    """Why a run failed or waits, in Site Recovery's words, and what to do next."""
    answer = SESSION.connect().get(f"operations/{segment(run)}")
    if vm:
        found = [item for item in answer.get("items", ()) if str(item.get("vm", "")).lower() == vm.lower()]
        if not found:
            say(f"{run} has no VM {vm}", "red")
            raise typer.Exit(FAILED)
        answer = {**answer, "items": found}
    if as_json:
        show(answer, None, as_json=True)
        return
    SESSION.console.print(views.run_view(answer))
    SESSION.console.print(views.end_view(answer))


def _decide(decision: str, run: str, body: dict[str, Any], comment: str) -> None:
    api = SESSION.connect()
    api.decide(f"operations/{segment(run)}/{decision}", {**body, **({"comment": comment} if comment else {})})
    say(f"{run}: {decision} was sent. Follow it: hcidr watch {run}")


@app.command()
def approve(
    run: str, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False, comment: Comment = ""
) -> None:
    """Show what a run would do, and let it begin."""
    api = SESSION.connect()
    seen = api.get(f"operations/{segment(run)}")
    SESSION.console.print(views.run_view(seen))
    bound: dict[str, str] = {}
    if "preview" in seen:
        SESSION.console.print(views.preview_view(seen["preview"]))
        bound = {"preview": seen["preview"]["previewDigest"]}
    elif "digest" in seen:
        say(f"{seen.get('detail', '')} {', '.join(seen.get('changedFields', ()))}")
        bound = {"digest": seen["digest"]}
    say(f"Asked for by {seen.get('requestedBy', '')}.")
    if not yes and not typer.confirm("Approve?"):
        raise typer.Exit(USAGE)
    _decide("approve", run, bound, comment)


@app.command()
def reject(run: str, comment: Comment = "") -> None:
    """End a run that waits to be approved; nothing is done."""
    _decide("reject", run, {}, comment)


@app.command()
def retry(run: str, vm: Vms = None, comment: Comment = "") -> None:
    """Send the verb again to VMs that failed."""
    _decide("retry", run, {"vms": vm} if vm else {}, comment)


@app.command()
def skip(run: str, vm: Vms = None, comment: Comment = "") -> None:
    """Go on without VMs that failed."""
    _decide("skip", run, {"vms": vm} if vm else {}, comment)


@app.command()
def resume(run: str, vm: Vms = None, comment: Comment = "") -> None:
    """Go on with what waits for a person."""
    _decide("resume", run, {"vms": vm} if vm else {}, comment)


@app.command()
def abort(run: str, comment: Comment = "") -> None:
    """Start nothing new; what runs is followed to its end."""
    _decide("abort", run, {}, comment)
