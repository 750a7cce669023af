"""How secrets look by themselves, whatever they are called: tokens, keys, signed URLs. Pure."""

import base64
import binascii
import re
from collections import Counter
from math import log2

REDACTED = "[redacted]"
_KEY_BEGINS = r"-{4,5} ?BEGIN [^\n-]{0,40}PRIVATE KEY[^\n-]{0,20}-{4,5}"
_KEY_ENDS = re.compile(r"-{4,5} ?END [^\n-]{0,40}PRIVATE KEY[^\n-]{0,20}-{4,5}")
FORMATS = tuple(
    re.compile(shape, re.DOTALL)
    for shape in (
        rf"{_KEY_BEGINS}.*?(?:{_KEY_ENDS.pattern}|\Z)",
        r"PuTTY-User-Key-File-\d.*\Z",
        r"\beyJ[\w+/-]{8,}=*(?:\.[\w-]*){0,4}",
        (
            r"\b(?:gh[pousr]|github_pat|glpat|glptt|gldt|npm|dop_v1|doo_v1|shp(?:at|ca|pa|ss)|hf|sk_live|rk_live|sk_test"
            r"|whsec|pypi|xox[abeoprs]|xapp|sq0(?:atp|csp)|dapi|lin_api|figd|dckr_pat|ATATT|ATCTT|NRAK|glsa|hvs|hvb|s\.)"
            r"[_-]?[A-Za-z0-9_=-]{16,}"
        ),
        r"\bsk-[\w-]{20,}",
        r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b",
        r"\bAIza[\w-]{30,}",
        r"\bya29\.[\w-]{20,}",
        r"\bSG\.[\w-]{16,}\.[\w-]{16,}",
        r"\bAGE-SECRET-KEY-1[A-Z0-9]{20,}",
        r"\b\w{3}[78]Q~[\w.~-]{30,36}",
        r"\b(?:\d{6}-){7}\d{6}\b",
        r"\$(?:2[abxy]|5|6|y|argon2\w*|apr1|1)\$[^\s:\"']{8,}",
        r"\b[0-9a-fA-F]{32}:[0-9a-fA-F]{32}\b",
        r"\b(?=[a-z]*[2-7])[a-z2-7]{52}\b",
        r"\b\d{8,10}:AA[\w-]{30,}",
    )
)
_KEY_LINES = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\n\r\\ \t")
_SCHEME = re.compile(r"\b(Bearer|SharedAccessSignature|SharedKey(?:Lite)?)\s+(?!\[redacted\])[^\s\"']+", re.IGNORECASE)
_BASIC = re.compile(r"\b(Basic\s+)([A-Za-z0-9+/_-]{4,}={0,2})", re.IGNORECASE)
_IN_TEXT = re.compile(
    r"\b(sig|se|skoid|X-Amz-\w+)=[^;&\s\"']+|(?<=[?&])code=[^;&\s\"']+|\bcode=[\w/+=-]{20,}", re.IGNORECASE
)
_URL = re.compile(r"\b([a-z][a-z0-9+.-]{0,30}://)([^\s\"'<>`]*)", re.IGNORECASE)
_USER = re.compile(r"[^/?#:@]*:(?!\d{1,5}(?:[/?#]|\Z))[^\s]*@|[^/?#]*@")
_SECRET_PATHS = re.compile(
    r"((?:hooks\.slack\.com/(?:services|workflows|triggers)|discord(?:app)?\.com/api/webhooks|[\w.-]*webhook\.office\.com"
    r"|api\.telegram\.org|hooks\.zapier\.com/hooks|maker\.ifttt\.com)/)[^\s?#]*",
    re.IGNORECASE,
)
_RANDOM = re.compile(r"(?<![\w+/=.-])[A-Za-z0-9+/_-]{32,}={0,2}(?![\w+/.-])")
_LEAST_BITS = 4.2
"""Of Shannon's entropy for a character: random base64 of 40 characters has about 4.8, names and paths stay below 4."""


def without_url_secrets(text: str) -> str:
    """A text whose URLs have neither users nor queries, and no paths that are secrets."""
    return _URL.sub(lambda found: found[1] + _plain_place(found[2]), text)


def _plain_place(place: str) -> str:
    if user := _USER.match(place):
        place = place[user.end() :]
    place = _SECRET_PATHS.sub(rf"\g<1>{REDACTED}", place)
    bare = re.split(r"[?#]", place, maxsplit=1)[0]
    return bare if bare == place else f"{bare}?{REDACTED}"


def has_secret_format(text: str) -> bool:
    """Whether something in it is a secret by its look, such as a token, a private key or a signed URL."""
    is_signed = any(_USER.match(found[2]) or _SECRET_PATHS.search(found[2]) for found in _URL.finditer(text))
    return is_signed or any(shape.search(text) for shape in (*FORMATS, _KEY_ENDS, _IN_TEXT))


def without_formats(text: str) -> str:
    """A text without what looks like a token, a key or a signature."""
    for shape in FORMATS:
        text = shape.sub(REDACTED, text)
    text = _without_key_ends(text)
    text = _SCHEME.sub(lambda found: f"{found[1]} {REDACTED}", text)
    text = _BASIC.sub(lambda found: found[1] + (REDACTED if _is_user_and_password(found[2]) else found[2]), text)
    text = _IN_TEXT.sub(lambda found: f"{found[0].partition('=')[0]}={REDACTED}", text)
    return _RANDOM.sub(lambda found: REDACTED if _is_random(found[0]) else found[0], text)


def _without_key_ends(text: str) -> str:
    """A text without private keys whose beginning was cut off."""
    parts, at = [], 0
    for found in _KEY_ENDS.finditer(text):
        begin = found.start()
        while begin > at and text[begin - 1] in _KEY_LINES:
            begin -= 1
        parts += [text[at:begin], REDACTED]
        at = found.end()
    return "".join([*parts, text[at:]])


def _is_user_and_password(text: str) -> bool:
    try:
        return b":" in base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_")
    except (binascii.Error, ValueError):
        return False


def _is_random(text: str) -> bool:
    """Whether it is like the base64 of random bytes: no name, path, GUID or digest in hex is."""
    kinds = (any(map(str.isupper, text)), any(map(str.islower, text)), any(map(str.isdigit, text)))
    counts = Counter(text)
    bits = -sum(count / len(text) * log2(count / len(text)) for count in counts.values())
    return all(kinds) and bits >= _LEAST_BITS and not re.search(r"/(?:resourceGroups|providers|subscriptions)\b", text)
