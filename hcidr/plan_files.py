"""Plans as files: YAML with short names, made from what is protected, and compared with what is declared."""

import difflib
from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

FACTS = frozenset(
    {
        *("name", "version", "digest", "etag", "declaredAt", "declaredBy", "declaredById"),
        *("history", "health", "holds", "nextDrill", "lastDrill", "lastGoodDrill", "deliveries", "coveredVms"),
    }
)
"""What an answer says of a document, beside the document."""


class WrongFile(Exception):
    """A file holds no plan; the message names it."""


def document_of(answer: Mapping[str, Any]) -> dict[str, Any]:
    """A document as it was declared."""
    return {name: value for name, value in answer.items() if name not in FACTS}


def read_document(file: Path) -> dict[str, Any]:
    """The document in a YAML or JSON file.

    Raises:
        WrongFile: there is none.
    """
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as missing:
        raise WrongFile(f"{file}: {missing.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as wrong:
        raise WrongFile(f"{file} is no YAML: {str(wrong).splitlines()[0]}") from None
    if not isinstance(found, dict):
        raise WrongFile(f"{file} holds no plan, but {type(found).__name__}")
    return found


def as_yaml(document: Mapping[str, Any]) -> str:
    """A document as people write it, in the order that it has."""
    return yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True, width=110)


def differences(declared: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """The lines that would change, as a diff; only of fields that the file has."""
    before = {name: declared.get(name) for name in wanted}
    lines = difflib.unified_diff(
        as_yaml(before).splitlines(), as_yaml(wanted).splitlines(), "declared", "file", lineterm=""
    )
    return list(lines)


def new_plan(site: str, vms: Iterable[Mapping[str, Any]], patterns: Iterable[str]) -> dict[str, Any]:
    """A plan of those of a site's VMs whose names fit, all at once: the order is for the person to say.

    Args:
        vms: As the app shows the site's replication.
    """
    wanted = [pattern.lower() for pattern in patterns] or ["*"]
    names = sorted({str(vm["vm"]) for vm in vms if vm.get("itemId")}, key=str.lower)
    fitting = [name for name in names if any(fnmatch(name.lower(), pattern) for pattern in wanted)]
    return {"site": site, "items": [{"vm": name, "after": []} for name in fitting]}
