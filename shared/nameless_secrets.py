"""Words that look like passwords though nothing names them so: for output that is kept as it is, where one may be lost.

A word is taken out for the mixture of its characters: letters and digits that change often, or symbols within it. What
is put together of words and numbers stays, and so do ids, digests, addresses and paths. A password that is a plain
word, or one with a number behind it, cannot be told from a name: only the head of its column gives it away. Pure.
"""

import base64
import binascii
import re
import sys
from collections.abc import Collection, Sequence

from shared.redaction import redact_text
from shared.secret_formats import REDACTED
from shared.secret_names import is_secret_name

SHORTEST, LONG = 8, 12
RUN_OF_RANDOM, RUN_OF_LONG_RANDOM, RUN_WITHOUT_DIGITS = 1.75, 2.8, 2.0
"""Up to how many characters the runs of a random word have: of one with hyphens or a short one, of a long one, and of a
long one without digits. Runs are words, numbers and capitals: those of names have three characters or more."""
FEWEST_CHANGES = 4
"""Between letters and digits within a part of a word; names have one or two."""
MASK = "***"
"""In place of a cell that is narrower than the word."""
_WORD = re.compile(r"[^\s\"'`<>(){}\[\],;|]{8,200}")
_PIECE = re.compile(r"[^=:/\\]{8,}")
_BASE64 = re.compile(r"(?<![\w+/.-])[A-Za-z0-9+/_-]{12,}={0,2}(?![\w+/.-])")
_RULER = re.compile(r"[ \t]*-{2,}(?:[ \t]+-+)*[ \t]*")
"""The line below the heads of a table's columns."""
_PRODUCT_KEY = re.compile(r"\b(?:[A-Z0-9]{5}-){4}[A-Z0-9]{5}\b")
_SYMBOLS, _SOFT_SYMBOLS = "!@#$^*", "&+~?%"
"""Names have none of the first within them; of the second some have one."""
_RUN = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")
_UNSPEAKABLE = re.compile(r"[b-df-hj-np-tv-xz]{6}", re.IGNORECASE)
"""So many consonants have no names but of capitals alone."""
_CHANGE = re.compile(r"(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])")
_HARMLESS = re.compile(
    r"""v?\d+(?:\.\d+)+(?:[-+.]\w+)*                                # a version, an address
    |[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}           # a GUID
    |[0-9a-fA-F]+(?:[-.][0-9a-fA-F]+)*                              # a digest, a MAC address
    |0x[0-9a-fA-F]+
    |\d{4}-\d\d-\d\dT[\d.+-]*Z?                                     # the beginning of a time
    |[A-Za-z][\w.+-]{2,}@[A-Za-z][\w-]{2,}(?:\.[\w-]+)*             # a user, or somebody's address
    |\$\w+|\$\{\w+\}|\#\w+                                          # a variable, a number of an issue
    |\[?redacted\]?""",
    re.VERBOSE,
)


def without_nameless(text: str, known: Collection[str] = ()) -> str:
    """A text without the words that look like passwords, also where they are in base64.

    Args:
        known: Names that stand in it and are none, in any casing: of machines and plans.
    """
    names = {name.casefold() for name in known}

    def clean_word(word: re.Match[str]) -> str:
        return _clean_word(word[0], names)

    text = _PRODUCT_KEY.sub(REDACTED, _without_columns(text))
    text = _BASE64.sub(lambda found: REDACTED if _hides_secret(found[0]) else found[0], text)
    return _WORD.sub(clean_word, text)


def _without_columns(text: str) -> str:
    """A text whose tables, as PowerShell writes them, have nothing in columns with the name of a secret."""
    lines, spans = text.split("\n"), list[tuple[int, int]]()
    for number, line in enumerate(lines[1:], 1):
        if _RULER.fullmatch(line.rstrip("\r")):
            spans = [span for span in _spans_of(line) if is_secret_name(lines[number - 1][slice(*span)].strip())]
        elif not line.strip():
            spans = []
        else:
            lines[number] = _without_cells(line, spans)
    return "\n".join(lines)


def _without_cells(line: str, spans: Sequence[tuple[int, int]]) -> str:
    """A line without these cells; the others stay where they are."""
    for start, end in spans:
        cell = line[start:end]
        if cell.strip():
            mark = REDACTED if len(cell) > len(REDACTED) or end >= len(line) else MASK
            line = line[:start] + mark.ljust(len(cell) if end < len(line) else 0) + line[end:]
    return line


def _spans_of(ruler: str) -> list[tuple[int, int]]:
    """From where to where each column goes; the last one to the end of the line."""
    starts = [found.start() for found in re.finditer(r"-+", ruler)]
    return list(zip(starts, [*starts[1:], sys.maxsize], strict=True))


def _clean_word(word: str, names: Collection[str]) -> str:
    if "[" in word or word.casefold() in names:
        return word

    def clean_piece(piece: re.Match[str]) -> str:
        is_secret = piece[0].casefold() not in names and is_password_like(piece[0])
        return REDACTED if is_secret else piece[0]

    return _PIECE.sub(clean_piece, word)


def is_password_like(word: str) -> bool:
    """Whether a word looks as passwords do, and as no name does."""
    word = word.rstrip(".:?")
    if len(word) < SHORTEST or _HARMLESS.fullmatch(word):
        return False
    bare = word.strip(_SYMBOLS)
    if len(bare) < len(word) and _HARMLESS.fullmatch(bare):
        return False
    classes = _classes_of(bare)
    if "symbol" in classes:
        return len(classes) >= 3
    return _is_mixed(bare, classes, is_marked=len(bare) < len(word) or bool(set(bare) & set(_SOFT_SYMBOLS)))


def _classes_of(word: str) -> set[str]:
    tests = {"upper": str.isupper, "lower": str.islower, "digit": str.isdigit, "symbol": _SYMBOLS.__contains__}
    return {name for name, test in tests.items() if any(map(test, word))}


def _is_mixed(word: str, classes: set[str], *, is_marked: bool) -> bool:
    """Whether letters and digits of a word change as they do in no name.

    Args:
        is_marked: Whether there are symbols with it, too.
    """
    plain = re.sub(r"[^A-Za-z0-9]", "", word)
    runs = _RUN.findall(plain)
    if "lower" not in classes or len(plain) < SHORTEST - 1:
        return False
    is_long = (len(plain) >= LONG or is_marked) and not re.search(r"[._-]", word)
    per_run = len(plain) / len(runs)
    if is_long and "upper" in classes and _UNSPEAKABLE.search(plain):
        return True
    if "digit" not in classes:
        return is_long and "upper" in classes and per_run <= RUN_WITHOUT_DIGITS
    if "upper" not in classes:
        return is_long and per_run <= RUN_OF_RANDOM
    has_changes = any(len(_CHANGE.findall(part)) >= FEWEST_CHANGES for part in re.split(r"[^A-Za-z0-9]", word))
    return has_changes or per_run <= (RUN_OF_LONG_RANDOM if is_long else RUN_OF_RANDOM)


def _hides_secret(word: str) -> bool:
    """Whether it is the base64 of a text, in UTF-8 or as PowerShell encodes it, that has a secret in it."""
    try:
        content = base64.b64decode(word + "=" * (-len(word) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return False
    encoding = "utf-16-le" if content[1::2].count(0) > len(content) // 4 else "utf-8"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return False
    is_text = len(text) >= SHORTEST and text.replace("\n", "").replace("\r", "").replace("\t", "").isprintable()
    return is_text and text.isascii() and _WORD.sub(lambda one: _clean_word(one[0], ()), redact_text(text)) != text
