"""What is declared, as files: shown, compared, declared, withdrawn; the same for documents of each kind."""

from pathlib import Path
from typing import Annotated, Any

import typer

from hcidr import plan_files, views
from hcidr.api import Api, ApiProblem
from hcidr.session import SESSION, Json, app, say, segment, show
from hcidr.watching import FAILED, WAITS

FILE = Annotated[Path, typer.Option("--file", "-f", help="YAML or JSON.")]


def add_document_commands(group: typer.Typer, path: str) -> None:
    """Give a group the commands for documents of a kind; `path` is where the API has them."""

    @group.command("show")
    def show_document(name: str) -> None:
        """One as YAML, as it is declared."""
        answer = SESSION.connect().get(f"{path}/{segment(name)}")
        say(plan_files.as_yaml(plan_files.document_of(answer)).rstrip())

    @group.command("diff")
    def diff_document(name: str, file: FILE) -> None:
        """What applying a file would change; the status is 1 when anything would."""
        wanted = plan_files.read_document(file)
        declared = plan_files.document_of(SESSION.connect().get(f"{path}/{segment(name)}"))
        lines = plan_files.differences(declared, wanted)
        say("\n".join(lines) if lines else "nothing would change")
        raise typer.Exit(FAILED if lines else 0)

    @group.command("apply")
    def apply_document(name: str, file: FILE) -> None:
        """Declare one as a file has it; where others have to approve that the run that waits for them is named."""
        api, wanted = SESSION.connect(), plan_files.read_document(file)
        answer = api.put(f"{path}/{segment(name)}", wanted, if_match=_etag_of(api, f"{path}/{segment(name)}"))
        _tell_if_guarded(answer)
        say(f"{name}: {answer['outcome']}")
        for line in answer.get("warnings", ()):
            say(f"warning: {line if isinstance(line, str) else line.get('detail', line)}", "yellow")


def add_list_and_withdraw(group: typer.Typer, path: str, columns: tuple[str, ...]) -> None:
    """Give a group the commands that plans and sites have elsewhere; `columns` are the fields that a list shows."""

    @group.command("list")
    def list_documents(as_json: Json = False) -> None:
        """All of them."""
        answer = SESSION.connect().get(path)
        show(answer, views.documents_table(answer["value"], columns), as_json=as_json)

    @group.command("withdraw")
    def withdraw_document(name: str) -> None:
        """Withdraw one, as it is now; where others have to approve that the run that waits for them is named."""
        answer = SESSION.connect().delete(f"{path}/{segment(name)}")
        _tell_if_guarded(answer)
        say(f"{name}: withdrawn")


def _etag_of(api: Api, path: str) -> str:
    """Of the document that is there; empty where there is none."""
    try:
        return str(api.get(path)["etag"])
    except ApiProblem as problem:
        if problem.status != 404:
            raise
        return ""


def _tell_if_guarded(answer: Any) -> None:
    if isinstance(answer, dict) and "statusUrl" in answer:
        say(f"Others have to approve this: {answer['id']}. They: hcidr approve {answer['id']}", "yellow")
        raise typer.Exit(WAITS)


GROUPS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "policy": ("approval-policies", "Who has to agree to what.", ("name", "version", "covers", "count", "actions")),
    "notify": ("notification-rules", "Whom to tell of what.", ("name", "version", "covers", "occasions", "deliveries")),
}
"""Groups of their own: where the API has their documents, what they are, and what a list shows."""
for _name, (_path, _help, _columns) in GROUPS.items():
    _group = typer.Typer(no_args_is_help=True, help=_help)
    app.add_typer(_group, name=_name)
    add_list_and_withdraw(_group, _path, _columns)
    add_document_commands(_group, _path)
site_app = typer.Typer(no_args_is_help=True, help="Sites as files.")
app.add_typer(site_app, name="site")
add_document_commands(site_app, "sites")
