"""Plans as files: written, compared, declared."""

from pathlib import Path
from typing import Annotated

import typer

from hcidr import plan_files
from hcidr.api import ApiProblem
from hcidr.session import SESSION, app, say, segment
from hcidr.watching import FAILED, WAITS

plan_app = typer.Typer(no_args_is_help=True, help="Plans as files.")
app.add_typer(plan_app, name="plan")


@plan_app.command("show")
def plan_show(name: str) -> None:
    """A plan as YAML, as it is declared."""
    answer = SESSION.connect().get(f"plans/{segment(name)}")
    say(plan_files.as_yaml(plan_files.document_of(answer)).rstrip())


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


FILE = Annotated[Path, typer.Option("--file", "-f", help="YAML or JSON.")]


@plan_app.command("diff")
def plan_diff(name: str, file: FILE) -> None:
    """What applying a file would change; the status is 1 when anything would."""
    wanted = plan_files.read_document(file)
    declared = plan_files.document_of(SESSION.connect().get(f"plans/{segment(name)}"))
    lines = plan_files.differences(declared, wanted)
    say("\n".join(lines) if lines else "nothing would change")
    raise typer.Exit(FAILED if lines else 0)


@plan_app.command("apply")
def plan_apply(name: str, file: FILE) -> None:
    """Declare a plan as a file has it; where others have to approve that the run that waits for them is named."""
    api, wanted = SESSION.connect(), plan_files.read_document(file)
    try:
        etag = str(api.get(f"plans/{segment(name)}")["etag"])
    except ApiProblem as problem:
        if problem.status != 404:
            raise
        etag = ""
    answer = api.put(f"plans/{segment(name)}", wanted, if_match=etag)
    if "statusUrl" in answer:
        say(f"Others have to approve this: {answer['id']}. They: hcidr approve {answer['id']}", "yellow")
        raise typer.Exit(WAITS)
    say(f"{name}: {answer['outcome']}")
    for line in answer.get("warnings", ()):
        say(f"warning: {line if isinstance(line, str) else line.get('detail', line)}", "yellow")
