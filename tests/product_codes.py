"""Every code that the product gives to people and programs, found in its source: docs/codes.md has to list them all.

A code is what is passed as `code` to anything that takes one: an argument, a field, a key of a dict. Beside these count
the causes of a failed node, the kinds of difference of a recovery plan, and the ids of the preflight's checks. A code
that is put together is a pattern, with * for the part that is not written there.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
ROOMS = ("shared", "orchestrators", "activities", "triggers")
NOT_SHOWN = frozenset({"Fault", "classify_failure", "ExtensionView", "CauseRead"})
"""What takes a `code` that is not ours to document: a fault is shown by its field, the others pass on Azure's codes."""
CODE_TYPES = re.compile(r".*Code|DifferenceKind")
_CODE = re.compile(r"[a-z0-9*]+(-[a-z0-9*]+)*")
_COMPOUND = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")


class FoundCode(NamedTuple):
    """A code, and where it is given: "shared/plans/preview.py:238"."""

    code: str
    place: str


@cache
def find_codes() -> tuple[FoundCode, ...]:
    """All of them, by code and place."""
    trees = {
        str(path.relative_to(ROOT)): ast.parse(path.read_text())
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
    }
    positions = _code_positions(trees.values())
    constants = {name: value for tree in trees.values() for name, value in _text_constants(tree)}
    found = {code for place, tree in trees.items() for code in _codes_in(tree, place, positions, constants)}
    return tuple(sorted(one for one in found if _CODE.fullmatch(one.code) and one.code != "code"))


def _text_constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield target.id, node.value.value


def _code_positions(trees: Iterable[ast.Module]) -> dict[str, int]:
    """Where `code` stands among the positional arguments of each function and class that takes one."""
    nodes = [node for tree in trees for node in ast.walk(tree)]
    positions: dict[str, int] = {}
    classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
    for function in (node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
        names = [argument.arg for argument in function.args.args]
        if "code" in names and function.name != "__init__":
            positions[function.name] = names.index("code")
    for _ in range(3):  # a class takes what its base takes, unless it says otherwise
        for cls in classes:
            if (position := _position_in_class(cls, positions)) is not None:
                positions[cls.name] = position
    return {name: position for name, position in positions.items() if name not in NOT_SHOWN}


def _position_in_class(cls: ast.ClassDef, positions: Mapping[str, int]) -> int | None:
    made = next((one for one in cls.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"), None)
    if made:
        names = [argument.arg for argument in made.args.args[1:]]
    else:
        fields = [one.target for one in cls.body if isinstance(one, ast.AnnAssign)]
        names = [field.id for field in fields if isinstance(field, ast.Name)]
    if "code" in names:
        return names.index("code")
    bases = [base.id for base in cls.bases if isinstance(base, ast.Name)]
    return None if made else next((positions[base] for base in bases if base in positions), None)


def _codes_in(
    tree: ast.Module, place: str, positions: Mapping[str, int], constants: Mapping[str, str]
) -> Iterator[FoundCode]:
    for scope in ast.walk(tree):
        if isinstance(scope, ast.Assign | ast.TypeAlias | ast.AnnAssign):
            yield from (FoundCode(code, f"{place}:{scope.lineno}") for code in _literal_codes(scope))
        if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (FoundCode(code, f"{place}:{scope.lineno}") for code in _codes_of_pairs(scope))
    for scope, node in _scoped_nodes(tree):
        for value in _code_values(node, positions, scope):
            yield from (FoundCode(code, f"{place}:{value.lineno}") for code in _texts_of(value, scope, constants))


def _scoped_nodes(tree: ast.Module) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Each node with the function or the class that it stands in."""
    waiting: list[tuple[ast.AST, ast.AST]] = [(tree, tree)]
    while waiting:
        scope, node = waiting.pop()
        yield scope, node
        inner = node if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) else scope
        if isinstance(node, ast.FunctionDef) and node.name == "__init__" and isinstance(scope, ast.ClassDef):
            inner = scope  # so that super() is the base of its class
        waiting += [(inner, child) for child in ast.iter_child_nodes(node)]


def _code_values(node: ast.AST, positions: Mapping[str, int], scope: ast.AST) -> Iterator[ast.expr]:
    """What is given as a code at this node."""
    if isinstance(node, ast.Dict):
        keys = [key.value if isinstance(key, ast.Constant) else None for key in node.keys]
        yield from (value for key, value in zip(keys, node.values, strict=True) if key == "code")
    if not isinstance(node, ast.Call) or (name := _called_name(node, scope)) in NOT_SHOWN:
        return
    if name in {"Check", "VmCheck"} and node.args:
        yield node.args[0]
    yield from (keyword.value for keyword in node.keywords if keyword.arg == "code")
    if name in positions and len(node.args) > positions[name]:
        yield node.args[positions[name]]


def _called_name(call: ast.Call, scope: ast.AST) -> str:
    if isinstance(call.func, ast.Name):
        return call.func.id
    if not isinstance(call.func, ast.Attribute):
        return ""
    if call.func.attr == "__init__" and isinstance(scope, ast.ClassDef):
        return next((base.id for base in scope.bases if isinstance(base, ast.Name)), "")
    return call.func.attr


def _texts_of(value: ast.AST, scope: ast.AST, constants: Mapping[str, str]) -> Iterator[str]:
    """The texts that an expression may be; nothing for one that only passes on what it was given."""
    match value:
        case ast.Constant(value=str() as text):
            yield text
        case ast.JoinedStr(values=parts):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in parts)
        case ast.IfExp(body=one, orelse=other):
            yield from (*_texts_of(one, scope, constants), *_texts_of(other, scope, constants))
        case ast.BoolOp(values=choices):
            yield from (text for choice in choices for text in _texts_of(choice, scope, constants))
        case ast.Name(id=name) if name in constants:
            yield constants[name]
        case ast.Name(id=name):
            for node in ast.walk(scope):
                if isinstance(node, ast.Assign) and name in {t.id for t in node.targets if isinstance(t, ast.Name)}:
                    yield from _texts_of(node.value, scope, constants)


def _literal_codes(alias: ast.Assign | ast.TypeAlias | ast.AnnAssign) -> Iterator[str]:
    """The texts of a `Literal` that is the type of a code."""
    target = alias.targets[0] if isinstance(alias, ast.Assign) else getattr(alias, "name", None)
    value = alias.value
    if not isinstance(target, ast.Name) or not CODE_TYPES.fullmatch(target.id) or not isinstance(value, ast.Subscript):
        return
    if isinstance(value.value, ast.Name) and value.value.id == "Literal":
        yield from (str(node.value) for node in ast.walk(value.slice) if isinstance(node, ast.Constant))


def _codes_of_pairs(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """Codes that come as pairs of a code and a sentence."""
    if function.returns is None or "tuple[str, str]" not in ast.unparse(function.returns):
        return
    for node in ast.walk(function):
        if isinstance(node, ast.Tuple) and len(node.elts) == 2 and isinstance(node.elts[0], ast.Constant):
            text = str(node.elts[0].value)
            if _COMPOUND.fullmatch(text):
                yield text


def source_text() -> str:
    """All of the product's source."""
    return "\n".join(path.read_text() for room in ROOMS for path in sorted((ROOT / room).rglob("*.py")))
