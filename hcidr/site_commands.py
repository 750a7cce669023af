"""Sites: their nodes, their preparation, and holds."""

from typing import Annotated

import typer

from hcidr import views
from hcidr.session import SESSION, Json, NoWait, app, follow, say, segment, show

hold_app = typer.Typer(no_args_is_help=True, help="Keep everything from beginning.")
app.add_typer(hold_app, name="hold")


@hold_app.command("on")
def hold_on(
    reason: str,
    site: Annotated[str, typer.Option(help="Only this site.")] = "",
    until: Annotated[str, typer.Option(help="Ends by itself then, such as 2026-12-01T06:00:00Z.")] = "",
) -> None:
    """Let nothing begin, everywhere or at one site."""
    body = {"reason": reason, **({"until": until} if until else {})}
    SESSION.connect().decide(_hold_path(site), body)
    say(f"{site or 'Everything'} is on hold. Lift it: hcidr hold off{f' --site {site}' if site else ''}")


@hold_app.command("off")
def hold_off(site: Annotated[str, typer.Option(help="Only this site.")] = "") -> None:
    """Lift a hold."""
    SESSION.connect().delete(_hold_path(site))
    say(f"{site or 'Everything'} is not on hold any more.")


@hold_app.command("show")
def hold_show(as_json: Json = False) -> None:
    """The holds that are in effect."""
    answer = SESSION.connect().get("hold")
    rows = [
        [one.get("site") or "everywhere", one["reason"], one["by"], views.short_time(one.get("until"))]
        for one in answer["holds"]
    ]
    show(answer, views.table("Holds", ["WHERE", "WHY", "BY", "UNTIL"], rows), as_json=as_json)


def _hold_path(site: str) -> str:
    return f"sites/{segment(site)}/hold" if site else "hold"


@app.command()
def nodes(site: str, as_json: Json = False) -> None:
    """Each node of a site: agent, extension, and why it is not healthy."""
    answer = SESSION.connect().get(f"sites/{segment(site)}/nodes")
    rows = [
        [
            one.get("node"),
            views.coloured((one.get("agent") or {}).get("status")),
            (one.get("extension") or {}).get("state"),
            (one.get("cause") or {}).get("detail") or (one.get("cause") or {}).get("code"),
        ]
        for one in answer["value"]
    ]
    show(answer, views.table("Nodes", ["NODE", "AGENT", "EXTENSION", "CAUSE"], rows), as_json=as_json)


@app.command()
def heal(site: str, node: str, no_wait: NoWait = False, as_json: Json = False) -> None:
    """Repair the ASR extension of a node, up to the proof of its registration."""
    api = SESSION.connect()
    begun = api.post(f"sites/{segment(site)}/nodes/{segment(node)}/repair")
    follow(api, begun["id"], no_wait=no_wait, as_json=as_json)


def _site_command(name: str, path: str, text: str) -> None:
    def command(site: str, no_wait: NoWait = False, as_json: Json = False) -> None:
        api = SESSION.connect()
        begun = api.post(f"sites/{segment(site)}/{path}")
        follow(api, begun["id"], no_wait=no_wait, as_json=as_json)

    app.command(name, help=text)(command)


for _name, _path, _text in (
    ("preflight", "preflight", "Check every prerequisite of a site; changes nothing."),
    ("prepare", "prepare", "Create or adopt what a site needs."),
    ("replicate", "replication", "Enable the replication of a site's VMs."),
    ("verify-site", "verify", "Compare a site with what was declared."),
):
    _site_command(_name, _path, _text)
