"""The node scripts: PowerShell by its own grammar, with the parameters that are sent, and no more than they say."""

import re
from pathlib import Path

import pytest
import tree_sitter_powershell
from tree_sitter import Language, Node, Parser

SCRIPTS = sorted((Path(__file__).parents[2] / "activities" / "scripts").glob("*.ps1"))
CHANGING = re.compile(
    r"\b(Add|Clear|Disable|Enable|Install|Invoke|New|Register|Remove|Restart|Set|Start|Stop|Sync|Uninstall|Unregister)-\w+"
)
HARMLESS = {"Set-StrictMode", "New-Object"}
CHANGES = {"sync-cluster": {"Sync-AzureStackHCI"}}
"""What each script changes; one that is not here only looks."""
SENT = {
    "sync-cluster": {"MinimumUptime"},
    "read-node": {"Endpoints", "From"},
    "read-registration": {"Endpoints"},
    "read-source": {"Names", "From"},
}
"""The parameters that are sent: by a repair, by a preflight, by a look at the machines of a failback."""

each_script = pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)


def tree(text: str) -> Node:
    return Parser(Language(tree_sitter_powershell.language())).parse(text.encode()).root_node


def named(node: Node, kind: str) -> list[str]:
    """The texts of all nodes of a kind."""
    found = [(node.text or b"").decode()] if node.type == kind else []
    return found + [text for child in node.children for text in named(child, kind)]


@each_script
def test_a_script_is_powershell(script: Path) -> None:
    assert not tree(script.read_text(encoding="utf-8")).has_error


def test_the_grammar_finds_a_mistake() -> None:
    text = SCRIPTS[0].read_text(encoding="utf-8")
    assert tree(text + "\nif (\n").has_error


@each_script
def test_a_script_takes_the_parameters_that_it_is_sent(script: Path) -> None:
    first = next(iter(named(tree(script.read_text(encoding="utf-8")), "param_block")), "")
    assert SENT.get(script.stem, set()) <= {name.removeprefix("$") for name in re.findall(r"\$\w+", first)}


@each_script
def test_a_script_changes_what_it_says_and_only_that(script: Path) -> None:
    commands = set(named(tree(script.read_text(encoding="utf-8")), "command_name"))
    changing = {name for name in commands if CHANGING.fullmatch(name)} - HARMLESS
    assert changing == CHANGES.get(script.stem, set())


@each_script
def test_a_script_says_in_its_head_what_it_changes(script: Path) -> None:
    head = " ".join(line for line in script.read_text(encoding="utf-8").splitlines()[:6] if line.startswith("#"))
    assert re.search(r"[Cc]hanges nothing" if script.stem not in CHANGES else r"[Tt]ells Azure", head)


@each_script
def test_a_script_carries_no_secret_and_asks_for_none(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    assert not re.search(r"(ConvertTo-SecureString|AsPlainText|Bearer |AccountKey=|SharedAccessSignature)", text)
