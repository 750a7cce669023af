"""Looking: at the whole, at lists, at reports and evidence."""

import os
from pathlib import Path
from typing import Annotated

import typer

from hcidr import views
from hcidr.api import Api
from hcidr.profiles import Profile, SignIn, check_url, headers_of, save_profile
from hcidr.session import SESSION, Json, app, say, segment, show


@app.command()
def login(
    url: Annotated[str, typer.Argument(help="Of the app, such as https://func-x.azurewebsites.net.")],
    name: Annotated[str, typer.Option(help="What to call it.")] = "default",
    sign_in: Annotated[str, typer.Option(help="entra, key (from HCIDR_KEY) or token (from HCIDR_TOKEN).")] = "entra",
    audience: Annotated[str, typer.Option(help="For entra: the app registration, api://CLIENT-ID.")] = "",
) -> None:
    """Remember an app, once it lets you in. No secret is kept."""
    found: SignIn | None = next((one for one in ("entra", "key", "token") if one == sign_in), None)
    if found is None:
        raise typer.BadParameter("is one of entra, key, token", param_hint="--sign-in")
    profile = Profile(check_url(url), found, audience)
    health = Api(profile.url, headers_of(profile)).get("health")
    file = save_profile(name, profile, os.environ)
    say(f"{profile.url} answers, release {health.get('release') or 'not known'}. Kept as {name} in {file}")


@app.command()
def status(as_json: Json = False) -> None:
    """Sites, plans, living runs and what is owed."""
    api = SESSION.connect()
    sites, plans = api.get("sites")["value"], api.get("plans")["value"]
    runs = [*api.list_all("operations", state="waiting"), *api.list_all("operations", state="running")]
    owed = api.get("obligations")["value"]
    if as_json:
        show({"sites": sites, "plans": plans, "operations": runs, "obligations": owed}, None, as_json=True)
        return
    for made in (
        views.sites_table(sites),
        views.plans_table(plans),
        views.runs_table("Runs", runs),
        views.owed_table(owed),
    ):
        SESSION.console.print(made)
        SESSION.console.print()


@app.command()
def sites(as_json: Json = False) -> None:
    """All sites with their health."""
    answer = SESSION.connect().get("sites")
    show(answer, views.sites_table(answer["value"]), as_json=as_json)


@app.command()
def plans(as_json: Json = False) -> None:
    """All plans with their next drills."""
    answer = SESSION.connect().get("plans")
    show(answer, views.plans_table(answer["value"]), as_json=as_json)


@app.command()
def runs(
    plan: Annotated[str, typer.Option(help="Only of this plan.")] = "",
    state: Annotated[str, typer.Option(help="pending, running, waiting, succeeded, failed or aborted.")] = "",
    top: Annotated[int, typer.Option(help="How many.")] = 20,
    as_json: Json = False,
) -> None:
    """The newest runs."""
    query = {name: value for name, value in {"plan": plan, "state": state, "top": str(top)}.items() if value}
    answer = SESSION.connect().get("operations", **query)
    show(answer, views.runs_table("Runs", answer["value"]), as_json=as_json)


@app.command()
def waiting(as_json: Json = False) -> None:
    """Whatever waits for a person."""
    found = SESSION.connect().list_all("operations", state="waiting")
    show(found, views.runs_table("Waiting", found), as_json=as_json)


@app.command()
def owed(as_json: Json = False) -> None:
    """What is owed, until when, and what settles it."""
    answer = SESSION.connect().get("obligations")
    show(answer, views.owed_table(answer["value"]), as_json=as_json)


@app.command()
def audit(
    act: Annotated[str, typer.Option(help="Only these: declared, changed, withdrawn, refused, evidence-read ...")] = "",
    person: Annotated[str, typer.Option(help="Only by this object id or name.")] = "",
    since: Annotated[str, typer.Option(help="Not before, such as 2026-12-01T00:00:00Z.")] = "",
    until: Annotated[str, typer.Option(help="Not after.")] = "",
    top: Annotated[int, typer.Option(help="About how many.")] = 50,
    as_json: Json = False,
) -> None:
    """Who changed, was refused or read what."""
    asked = {"act": act, "person": person, "since": since, "until": until, "top": str(top)}
    answer = SESSION.connect().get("evidence/administration", **{name: one for name, one in asked.items() if one})
    show(answer, views.acts_table(answer["value"]), as_json=as_json)
    if as_json:
        return
    for error in answer["integrityErrors"]:
        say(f"The log was changed: {error}")
    if "nextLink" in answer:
        say("There is more: give --top, or --until the oldest of these.")


@app.command()
def report(
    run: str,
    form: Annotated[str, typer.Option("--format", help="table, html or json.")] = "table",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Into this file.")] = None,
) -> None:
    """The report of a run."""
    _keep(SESSION.connect().read_text(f"operations/{segment(run)}/report", format=form), output)


@app.command()
def portfolio(
    form: Annotated[str, typer.Option("--format", help="html, json or csv; a summary without it.")] = "",
    days: Annotated[int, typer.Option(help="How long ago a drill may have ended to count as a rehearsal.")] = 90,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Into this file.")] = None,
) -> None:
    """All sites and plans: coverage, rehearsals, targets, what is owed."""
    api = SESSION.connect()
    if form or output:
        _keep(api.read_text("portfolio", format=form or "html", days=str(days)), output)
        return
    found = api.get("portfolio", format="json", days=str(days))
    for sentence in found["summary"]:
        say(sentence)
    SESSION.console.print(views.portfolio_table(found["plans"]))


def _keep(text: str, output: Path | None) -> None:
    if output is None:
        say(text)
        return
    output.write_text(text, encoding="utf-8")
    say(f"Written to {output}")


@app.command()
def evidence(
    run: str, output: Annotated[Path | None, typer.Option("--output", "-o", help="Into this file.")] = None
) -> None:
    """Fetch the evidence of a run as a zip."""
    target = output or Path(f"{run}.zip")
    target.write_bytes(SESSION.connect().download(f"operations/{segment(run)}/evidence", format="zip"))
    say(f"Written to {target}. Check it: python verify.py {target}")
