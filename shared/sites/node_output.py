"""What scripts on nodes pack, so that it fits into the 4,096 bytes that Azure keeps of a run command's output. Pure."""

import base64
import binascii
import gzip
import json
from typing import Any


def unpack_json(text: str) -> Any:
    """The JSON that was compressed and written in base64.

    Raises:
        ValueError: it is no such thing.
    """
    try:
        return json.loads(gzip.decompress(base64.b64decode(text, validate=True)))
    except (binascii.Error, OSError, EOFError, TypeError) as wrong:
        raise ValueError(f"not packed JSON: {wrong}") from wrong
