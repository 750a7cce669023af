"""The language of ARM's template expressions: `[format('a{0}', parameters('b').c[0])]` as a tree.

Source: Microsoft's page on the syntax and expressions of templates.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

_TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+)|(?P<name>[A-Za-z_][\w]*)|(?P<sign>[().,\[\]]))")


class WrongTemplate(Exception):
    """The template, or what it is given, is not what ARM takes; the message names the place."""


class Literal(NamedTuple):
    """A text or a number."""

    value: str | int


class Call(NamedTuple):
    """A function; one of the template's own has its namespace before a full stop."""

    name: str
    arguments: tuple["Node", ...]


class Access(NamedTuple):
    """A property or an element."""

    target: "Node"
    key: "Node"


type Node = Literal | Call | Access


def is_expression(text: str) -> bool:
    """Whether ARM evaluates it: in brackets, and not escaped by a second one."""
    return text.startswith("[") and text.endswith("]") and not text.startswith("[[")


def parse_expression(text: str) -> Node:
    """The tree of what stands between the brackets.

    Raises:
        WrongTemplate: it is no expression.
    """
    parser = _Parser(text[1:-1])
    node = parser.read_node()
    if parser.look() is not None:
        raise WrongTemplate(f"more than one expression: {text}")
    return node


class _Parser:
    def __init__(self, text: str) -> None:
        self._text, self._tokens = text, list(_tokens_of(text))

    def look(self) -> str | None:
        return self._tokens[0] if self._tokens else None

    def take(self, *wanted: str) -> str:
        if not self._tokens or (wanted and self._tokens[0] not in wanted):
            raise WrongTemplate(f"{' or '.join(wanted) or 'something'} is missing in: {self._text}")
        return self._tokens.pop(0)

    def read_node(self) -> Node:
        node = self._read_start()
        while self.look() in {".", "["}:
            if self.take() == ".":
                node = Access(node, Literal(self.take()))
            else:
                node = Access(node, self.read_node())
                self.take("]")
        return node

    def _read_start(self) -> Node:
        token = self.take()
        if token.startswith("'"):
            return Literal(token[1:-1].replace("''", "'"))
        if token.lstrip("-").isdigit():
            return Literal(int(token))
        while self.look() == ".":
            self.take()
            token += f".{self.take()}"
        self.take("(")
        return Call(token, tuple(self._read_arguments()))

    def _read_arguments(self) -> Iterator[Node]:
        while self.look() != ")":
            yield self.read_node()
            if self.look() != ")":
                self.take(",")
        self.take(")")


def _tokens_of(text: str) -> Iterator[str]:
    at = 0
    while at < len(text.rstrip()):
        found = _TOKEN.match(text, at)
        if not found:
            raise WrongTemplate(f"cannot read {text[at : at + 30]!r} in: {text}")
        yield found.group().strip()
        at = found.end()
