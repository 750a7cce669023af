"""What scripts on nodes write: JSON in pages, packed into the 4,096 bytes of output that Azure keeps. Pure."""

import base64
import binascii
import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple


class Page[Part](NamedTuple):
    """What one run of a script said.

    Attributes:
        next_start: The VM that the next page begins with, None when this was the last.
    """

    part: Part
    next_start: int | None


def read_page[Part](
    script: str, node: str, output: Mapping[str, Any], read_part: Callable[[str, Mapping[str, Any]], Part]
) -> Page[Part]:
    """Read one page.

    Args:
        script: Name of the script, for the error.
        node: The node that it ran on.
        output: The JSON object that it wrote.
        read_part: Reads all of it but where the next page begins, from the node's name and the object.

    Raises:
        ValueError: it is not what the script writes.
    """
    try:
        return Page(read_part(node, output), output.get("next"))
    except (KeyError, TypeError, IndexError, ValueError) as wrong:
        raise ValueError(f"{script} wrote something else on {node}: {wrong}") from wrong


def unread_parts(disks: Sequence[str], rest: str) -> tuple[str, ...]:
    """What of a VM its node could not read, each with the reason: "disk 1: the file is in use".

    Args:
        disks: Why each disk could not be read, empty for one that was.
        rest: Why something else could not be read.
    """
    parts = [f"disk {at}: {reason}" for at, reason in enumerate(disks) if reason]
    return tuple([*parts, rest] if rest else parts)


def unpack_json(text: str) -> Any:
    """The JSON that was compressed and written in base64.

    Raises:
        ValueError: it is no such thing.
    """
    try:
        return json.loads(gzip.decompress(base64.b64decode(text, validate=True)))
    except (binascii.Error, OSError, EOFError, TypeError) as wrong:
        raise ValueError(f"not packed JSON: {wrong}") from wrong
