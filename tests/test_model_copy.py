"""`model_copy(update={...})` checks nothing: a key that is no field is kept beside the fields, and nobody notices."""

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from pydantic import BaseModel

ROOT = Path(__file__).parents[1]
ROOMS = ("shared", "orchestrators", "activities", "triggers")


def all_fields() -> frozenset[str]:
    """Every field of every message of the product."""
    for path in (file for room in ROOMS for file in (ROOT / room).rglob("*.py")):
        import_module(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
    classes, fields = [BaseModel], set[str]()
    while classes:
        kind = classes.pop()
        classes += kind.__subclasses__()
        if kind.__module__.partition(".")[0] in ROOMS:
            fields |= set(kind.model_fields)
    return frozenset(fields)


def string_keys(node: ast.AST, dicts: dict[str, list[ast.Dict]]) -> Iterator[str]:
    """The keys of a dict as it is written, those of the function's own dicts that it takes in among them."""
    if isinstance(node, ast.Name):
        for one in dicts.get(node.id, ()):
            yield from string_keys(one, {})
    elif isinstance(node, ast.BinOp):
        yield from (key for side in (node.left, node.right) for key in string_keys(side, dicts))
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value
            elif key is None:
                yield from string_keys(value, dicts)


def dicts_of(function: ast.AST) -> dict[str, list[ast.Dict]]:
    """By name: the dicts that a function writes down in one piece, or adds to one."""
    found: dict[str, list[ast.Dict]] = {}
    for node in ast.walk(function):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        for target in targets:
            if isinstance(target, ast.Name) and isinstance(value, ast.Dict):
                found.setdefault(target.id, []).append(value)
    return found


def updated_keys(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and key of all that is changed by `model_copy(update=...)`."""
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
        dicts = dicts_of(function)
        for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
            if isinstance(call.func, ast.Attribute) and call.func.attr == "model_copy":
                for update in (keyword.value for keyword in call.keywords if keyword.arg == "update"):
                    yield from ((call.lineno, key) for key in string_keys(update, dicts))


@pytest.mark.parametrize("room", [*ROOMS, "tests"])
def test_what_is_changed_in_a_copy_is_a_field_of_some_message(room: str) -> None:
    fields, keys = all_fields(), 0
    for path in (ROOT / room).rglob("*.py"):
        if path == Path(__file__):
            continue
        for line, key in updated_keys(ast.parse(path.read_text())):
            keys += 1
            assert key in fields, f"{path.relative_to(ROOT)}:{line}: no message has a field {key!r}"
    assert keys


def test_a_key_that_is_misspelt_is_seen_wherever_it_is_written() -> None:
    source = """
def change(item, more):
    going = {"state": "x", "sinse": 1}
    going |= {"detial": ""}
    return item.model_copy(update={**going, **more, "foundready": True} | {"jobb": ""})
"""
    keys = {key for _, key in updated_keys(ast.parse(source))}
    assert keys - all_fields() == {"sinse", "detial", "foundready", "jobb"}
