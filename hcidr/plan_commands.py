"""Plans as files: written, compared, declared."""

from typing import Annotated

import typer

from hcidr import plan_files
from hcidr.document_commands import add_document_commands
from hcidr.session import SESSION, app, say, segment
from hcidr.watching import FAILED

plan_app = typer.Typer(no_args_is_help=True, help="Plans as files.")
app.add_typer(plan_app, name="plan")


@plan_app.command("new")
def plan_new(
    site: Annotated[str, typer.Option(help="The site whose VMs are taken.")],
    vms: Annotated[
        list[str] | None, typer.Option("--vms", help="Name or pattern, such as 'web-*'; may be given again.")
    ] = None,
) -> None:
    """Write a plan of a site's protected VMs as YAML; then say who comes after whom, and apply it."""
    replicated = SESSION.connect().get(f"sites/{segment(site)}/replication")["value"]
    document = plan_files.new_plan(site, replicated, vms or ())
    if not document["items"]:
        say(f"{site} protects no VM of such a name", "red")
        raise typer.Exit(FAILED)
    say(plan_files.as_yaml(document).rstrip())


add_document_commands(plan_app, "plans")
