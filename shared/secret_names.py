"""Which names stand for a secret: of JSON members, parameters, settings, headers and options. Pure."""

import re

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_PARTS = re.compile(
    r"pass(word|wd|phrase|code|wort)|kennwort|wachtwoord|motdepasse|contrasena|secret|token|credential|connectionstring"
    r"|connstr|sharedaccess|apikey|accesskey|accountkey|privatekey|protected(settings|parameters)|sessionid|sessid"
)
"""What makes a name that of a secret wherever it stands in it."""
_WORDS = frozenset(
    [
        "pass",
        "pwd",
        "pw",
        "pin",
        "otp",
        "psk",
        "pat",
        "cred",
        "creds",
        "sas",
        "pfx",
        "jks",
        "keystore",
        "authorization",
        "auth",
        "cookie",
        "cookies",
        "sig",
        "jwt",
        "bitlocker",
        "mnemonic",
        "nthash",
    ]
)
"""What does so as a word of its own."""
_VALUE_WORDS = frozenset(
    ["value", "text", "plain", "plaintext", "string", "str", "blob", "data", "base", "b", "encoded", "raw", "content"]
)
"""Words behind a name that say how it is written."""
_ABOUT = frozenset(
    [
        "name",
        "names",
        "url",
        "uri",
        "endpoint",
        "type",
        "version",
        "length",
        "count",
        "size",
        "expiry",
        "expires",
        "expiration",
        "policy",
        "path",
        "file",
        "state",
        "status",
        "required",
        "enabled",
        "age",
        "days",
        "algorithm",
        "audience",
        "issuer",
        "scope",
        "hint",
        "vault",
        "provider",
        "expected",
    ]
)
"""Last words of a name that say something about a secret, and are none."""
_OPEN_KEYS = frozenset(
    [
        "public",
        "partition",
        "row",
        "foreign",
        "idempotency",
        "sort",
        "cache",
        "registry",
        "object",
        "lookup",
        "index",
        "routing",
        "overdue",
    ]
)
"""Kinds of keys that everybody may see."""
_ERROR_WORDS = frozenset(
    [
        "invalid",
        "expired",
        "missing",
        "not",
        "failed",
        "failure",
        "error",
        "denied",
        "unauthorized",
        "forbidden",
        "exception",
        "required",
        "mismatch",
        "disabled",
        "revoked",
        "unsupported",
        "wrong",
    ]
)


def is_secret_name(name: str) -> bool:
    """Whether what is called so is a secret, such as "AdminPassword", "x-functions-key", "key1" or "connStr"."""
    words = [word.lower() for word in _WORD.findall(name)]
    while len(words) > 1 and (words[-1].isdigit() or words[-1] in _VALUE_WORDS):
        if words[-1] in {"string", "str"} and words[-2] in {"connection", "conn"}:
            break
        words.pop()
    if not words:
        return False
    if words[-1] in _ABOUT and "sas" not in words:
        return False
    if words[-1] in {"key", "keys"}:
        return not _OPEN_KEYS.intersection(words)
    if words[-1] == "id" and "secret" not in words and not _PARTS.search("".join(words[-2:])):
        return False
    return bool(_WORDS.intersection(words)) or _PARTS.search("".join(words)) is not None or words[-1].endswith("apikey")


def is_error_code(name: str) -> bool:
    """Whether it is rather what an error is called, such as "AuthorizationFailed" or "InvalidAuthenticationToken"."""
    return bool(_ERROR_WORDS.intersection(word.lower() for word in _WORD.findall(name)))
