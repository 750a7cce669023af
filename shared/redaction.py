"""Taking secrets out of what Azure says before it is kept: tokens, keys, signed URLs. Pure."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

REDACTED = "[redacted]"
_EMPTY: tuple[Any, ...] = (None, "", [], {})
_SECRET_KEYS = re.compile(
    r"pass(word|wd|phrase)|secret|token|credential|authorization|connectionstring|sas(uri|url|token)?$"
    r"|protected(settings|parameters)|(account|access|shared|function|host|master|primary|secondary|encryption|api)_?key",
    re.IGNORECASE,
)
_JWT = re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*")
_BEARER = re.compile(r"\b(Bearer|SharedAccessSignature|SharedKey)\s+\S+", re.IGNORECASE)
_IN_TEXT = re.compile(r"\b(AccountKey|SharedAccessKey|sig|code|password|pwd)=[^;&\s\"']+", re.IGNORECASE)
_URL = re.compile(r"https?://[^\s\"'<>]+", re.IGNORECASE)


def redact_json(value: Any) -> Any:
    """The same JSON without what must never be kept: by the names of keys, and by what a string looks like."""
    if isinstance(value, Mapping):
        hidden = {key for key, inner in value.items() if _SECRET_KEYS.search(str(key)) and inner not in _EMPTY}
        return {key: REDACTED if key in hidden else redact_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [redact_json(inner) for inner in value]
    return redact_text(value) if isinstance(value, str) else value


def redact_text(text: str) -> str:
    """A string without tokens, keys, and the queries of URLs: those are where signatures are."""
    text = _URL.sub(lambda found: _without_query(found.group(0)), text)
    text = _JWT.sub(REDACTED, text)
    text = _BEARER.sub(lambda found: f"{found.group(1)} {REDACTED}", text)
    return _IN_TEXT.sub(lambda found: f"{found.group(1)}={REDACTED}", text)


def _without_query(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return REDACTED
    place = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{place}{parts.path}" + (f"?{REDACTED}" if parts.query or parts.fragment else "")
