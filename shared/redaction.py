"""Taking secrets out of what others say before it is kept: by the names of values, and by how secrets look. Pure."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from shared.secret_commands import has_command_secret, in_quotes, without_command_secrets
from shared.secret_formats import REDACTED, has_secret_format, without_formats, without_url_secrets
from shared.secret_names import is_error_code, is_secret_name

__all__ = ["REDACTED", "find_named_values", "has_clear_secret", "redact_json", "redact_text"]

_EMPTY: tuple[Any, ...] = (None, "", [], {}, True, False)
_NAMING = ("name", "key", "id", "parameter", "variable", "setting", "field", "option", "header")
"""Members that say how the value beside them is called."""
_VALUES = re.compile(r"(\w*value|val|data|content|text|plaintext)", re.IGNORECASE)
_LONGEST_JSON, _MOST_JSON = 200_000, 50
_JSON_BEGINS = re.compile(r"[{\[](?=\s*[\"{\[\]}])")
_DECODER = json.JSONDecoder()
_QUOTE = r"""(?:\\{0,8}(?:["'`]|u00(?:22|27))|&quot;|&\#3[49];|%2[27])"""
_LABEL = re.compile(
    rf"""(?<![\w$])(?P<dash>--?|/|\$(?:env:|script:|global:)?)?{_QUOTE}?
    (?P<name>(?:(?:api|access|account|shared|private|recovery|encryption|master|primary|secondary|storage|subscription
        |connection)[ ])?[A-Za-z_][\w.-]{{0,80}}){_QUOTE}?\]?
    (?P<sep>[ \t]*(?:=>|:=|==?|:(?!//)|\\u003d|%3[AaDd]|[|](?=[ ]))[ \t]*
        (?P<fold>\r?\n[ \t]+(?=["']))?|(?P<gap>[ \t]+))""",
    re.VERBOSE,
)
"""A name with what stands between it and its value; a gap is enough behind an option of a command."""
_VALUE = re.compile(
    r"""(?P<open>@["']\r?\n).*?(?:\r?\n["']@|\Z)
    |(?P<block>[|>][-+\d]*[ \t]*\r?\n)(?:[ \t]+[^\n]*(?:\n|\Z))+
    |(?P<double>")(?:\\.|""|[^"\\])*(?:"|\Z)
    |(?P<single>')(?:''|\\.|[^'\\])*(?:'|\Z)
    |(?P<escaped>\\{1,8}(?:["']|u00(?:22|27))|&quot;|&\#3[49];|%2[27]).*?(?:(?P=escaped)|\Z)""",
    re.VERBOSE | re.DOTALL,
)
_REST_OF_WORD = re.compile(r"[^\s;]+")
_REST_OF_SETTING = re.compile(r"\S+")
_REST_OF_LINE = re.compile(r"[^\n\\]+(?:\\(?!n)[^\n\\]*)*")
_LINE_BEFORE = re.compile(r"(?:^|\n|\\n)[ \t]*(?:-[ \t]+|export[ \t]+|set[ \t]+|\[?env\]?[ \t]+)?\Z", re.IGNORECASE)
_PAIR = re.compile(
    rf"(?P<lead>\b(?:name|key|id){_QUOTE}?\s*[:=]\s*{_QUOTE}?(?P<name>[\w.-]+){_QUOTE}?[\s,;]+{_QUOTE}?\w*value"
    rf"{_QUOTE}?\s*[:=]\s*)",
    re.IGNORECASE,
)
_PAIR_BACK = re.compile(
    rf"(?P<lead>\bvalue{_QUOTE}?\s*[:=]\s*(?P<q>[\"']))(?P<value>[^\"'<>]*)(?P<tail>(?P=q)[\s,;]+{_QUOTE}?(?:name|key|id)"
    rf"{_QUOTE}?\s*[:=]\s*{_QUOTE}?(?P<name>[\w.-]+))",
    re.IGNORECASE,
)
_ELEMENT = re.compile(r"(?P<lead><(?:\w+:)?(?P<name>[\w.-]+)(?:\s[^<>]*)?>)(?P<value>[^<]+)(?=<|\Z)")
_PROSE = re.compile(
    r"(?P<lead>\b(?:password|passwd|passphrase|passcode|pwd|secret|token|key|pin)\s+(?:(?:for|of)\s+\S+\s+)?"
    r"(?:is|was|are|(?:has\s+been\s+|was\s+)?(?:re)?set\s+to)\s*:?\s+|\bpassword\s+for\s+\S+:\s+)(?P<value>\"[^\"]+\"|'[^']+'|[^\s\d_.,;:!]*(?:[\d_!]|[^\w\s]\w)\S*)",
    re.IGNORECASE,
)


class NamedValue(NamedTuple):
    """A value in a text that has the name of a secret.

    Attributes:
        name: With the dash or the sign of a variable before it.
        raw: As it is written, with its quotes.
        start, end: What of the text is the secret itself.
    """

    name: str
    raw: str
    start: int
    end: int


def redact_json(value: Any) -> Any:
    """The same JSON without what must never be kept: by the names of members, and by what a string looks like."""
    if isinstance(value, Mapping):
        named = any(is_secret_name(value[key]) for key in value if _names_its_value(key, value[key]))
        return {redact_text(str(key)): _redact_member(str(key), inner, named) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return _redact_list(value)
    return redact_text(value) if isinstance(value, str) else value


def _names_its_value(key: Any, value: Any) -> bool:
    return str(key).lower() in _NAMING and isinstance(value, str) and len(value) <= 200


def _is_empty(value: Any) -> bool:
    return any(value is one or (value == one and type(value) is type(one)) for one in _EMPTY)


def _redact_member(key: str, value: Any, is_named_secret: bool) -> Any:
    is_value = is_named_secret and _VALUES.fullmatch(key)
    if (is_value or is_secret_name(key)) and not _is_empty(value) and not _is_reference(value):
        return REDACTED
    return redact_json(value)


def _is_reference(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"@kv:[\w.:/-]+", value) is not None


def _redact_list(values: Sequence[Any]) -> list[Any]:
    """Also what follows the name of a secret: an option of a command, or a pair of a name and its value."""
    is_pair = len(values) == 2
    kept, is_next = [], False
    for value in values:
        kept.append(REDACTED if is_next and isinstance(value, str) and value else redact_json(value))
        is_name = isinstance(value, str) and len(value) <= 100 and (value.startswith("-") or is_pair)
        is_next = not is_next and is_name and re.fullmatch(r"[\w.-]+", value) is not None and is_secret_name(value)
    return kept


def redact_text(text: str) -> str:
    """A string without tokens, keys, values with the names of secrets, and the queries of URLs: there signatures are.

    JSON that stands in it is read as that.
    """
    parts, at = [], 0
    for start, end, found in _find_json(text):
        before = _redact_prose(text[at:start])
        clean = redact_json(found)
        kept = text[start:end] if clean == found else json.dumps(clean, ensure_ascii=False)
        parts += [before, REDACTED if _ends_in_secret_label(before) else kept]
        at = end
    return "".join([*parts, _redact_prose(text[at:])])


def _find_json(text: str) -> Iterator[tuple[int, int, Any]]:
    """Objects and lists in a text, each from where to where."""
    at, tries = 0, 0
    while (found := _JSON_BEGINS.search(text, at)) and tries < _MOST_JSON and len(text) <= _LONGEST_JSON:
        tries += 1
        try:
            value, end = _DECODER.raw_decode(text, found.start())
        except (ValueError, RecursionError):
            at = found.start() + 1
            continue
        yield found.start(), end, value
        at = end


def _ends_in_secret_label(text: str) -> bool:
    return any(found.end() == len(text) and _is_secret_label(found) for found in _LABEL.finditer(text))


def _redact_prose(text: str) -> str:
    text = without_url_secrets(text)
    for shape in (_PAIR_BACK, _ELEMENT):
        text = shape.sub(_redact_if_named, text)
    for shape in (_PAIR, _LABEL):
        text = _without_spans(text, [(one.start, one.end) for one in _find_values(text, shape)])
    text = without_command_secrets(text)
    text = _PROSE.sub(lambda found: found["lead"] + in_quotes(found["value"]), text)
    return without_formats(text)


def has_clear_secret(text: str, *, is_script: bool = False) -> bool:
    """Whether somebody wrote a secret into it: a token, a private key, or a value with the name of a secret.

    Args:
        is_script: Whether it is code: there what is called so may be a variable, or a command that fetches it.
    """
    if has_secret_format(text) or any(shape.sub(_redact_if_named, text) != text for shape in (_PAIR_BACK, _ELEMENT)):
        return True
    if not is_script and has_command_secret(text):
        return True
    return any(not is_script or _is_literal(value, text) for value in find_named_values(text))


def _is_literal(value: NamedValue, text: str) -> bool:
    quote = value.raw[:1]
    if quote in {'"', "'"} or value.raw[:2] in {'@"', "@'"}:
        return not re.search(r"[$`<{]|@kv:|%\w+%", value.raw)
    if value.name.startswith("$") or not re.match(r"\w", value.raw) or re.search(r"[$(`]", value.raw):
        return False
    is_cmdlet = re.match(r"[A-Z]\w+-[A-Z]\w+", value.raw) is not None
    return not is_cmdlet and ("-" in value.name or text[value.start - 1] == "=")


def _redact_if_named(found: re.Match[str]) -> str:
    if not is_secret_name(found["name"]) or not found["value"].strip():
        return found[0]
    return found["lead"] + REDACTED + (found.groupdict().get("tail") or "")


def _without_spans(text: str, spans: Sequence[tuple[int, int]]) -> str:
    parts, at = [], 0
    for start, end in spans:
        parts += [text[at:start], REDACTED]
        at = end
    return "".join([*parts, text[at:]])


def find_named_values(text: str) -> Iterator[NamedValue]:
    """The values in a text that have the name of a secret: of settings, headers, options, JSON and YAML."""
    for shape in (_PAIR, _LABEL):
        yield from _find_values(text, shape)


def _find_values(text: str, shape: re.Pattern[str]) -> Iterator[NamedValue]:
    at = 0
    for found in shape.finditer(text):
        if found.start() < at or not _is_secret_label(found):
            continue
        if (span := _value_span(text, found)) is not None:
            start, end, after = span
            yield NamedValue(
                (found.groupdict().get("dash") or "") + found["name"], text[found.end() : after], start, end
            )
            at = after


def _is_secret_label(found: re.Match[str]) -> bool:
    parts = found.groupdict()
    name = found["name"]
    if parts.get("gap"):
        return parts["dash"] in {"-", "--", "/"} and is_secret_name(name)
    if not is_secret_name(name):
        return False
    return not (":" in (parts.get("sep") or "") and is_error_code(name))


def _value_span(text: str, found: re.Match[str]) -> tuple[int, int, int] | None:
    """Where the secret begins and ends, and where its value with its quotes does; None where there is none."""
    begin = found.end()
    if quoted := _VALUE.match(text, begin):
        return _quoted_span(text, quoted)
    rest = _rest_of(found).match(text, begin)
    if rest is None or _is_harmless(rest[0]) or (found.groupdict().get("gap") and rest[0].startswith("-")):
        return None
    if found["name"].lower() == "key" and not re.search(r"\d|=\Z", rest[0]) and not found.groupdict().get("dash"):
        return None  # "key: HKLM:\\..." is where something is
    return begin, rest.end(), rest.end()


def _quoted_span(text: str, quoted: re.Match[str]) -> tuple[int, int, int] | None:
    start, end = quoted.span()
    if quoted["block"] or quoted["open"]:
        return start, len(text[:end].rstrip("\n")), end
    opening = closing = next(filter(None, quoted.groupdict().values()))
    inner = text[start + len(opening) : end]
    ends = end - (len(closing) if inner.endswith(closing) else 0)
    start += len(opening)
    return None if ends <= start or _is_harmless(text[start:ends]) else (start, ends, end)


def _rest_of(found: re.Match[str]) -> re.Pattern[str]:
    """How far a value without quotes goes: to the end of the line, unless it is one among others."""
    parts, text = found.groupdict(), found.string
    if parts.get("gap"):
        return _REST_OF_SETTING
    is_line = not parts.get("dash") and _LINE_BEFORE.search(text[max(0, found.start() - 40) : found.start()])
    is_header = ":" in (parts.get("sep") or "") and text[found.end() - 1].isspace()
    if is_line or is_header:
        return _REST_OF_LINE
    return _REST_OF_SETTING if "_" in found["name"] else _REST_OF_WORD


def _is_harmless(value: str) -> bool:
    plain = value.strip().rstrip(",;)}]").strip("\"' ")
    return plain.lower() in {"", "null", "none", "true", "false", "{", "["} or _is_reference(plain)
