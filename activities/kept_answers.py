"""What of others' answers leaves an activity: what was declared to be public, and their end where a plan wants it."""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from shared.nameless_secrets import without_nameless
from shared.redaction import REDACTED, redact_text

LONGEST_MESSAGE, LONGEST_OUTPUT, LOOKED_AT = 300, 4096, 8192
DETECTORS = (
    "AWS Access Key",
    "Artifactory Credentials",
    "Azure Storage Account access key",
    "Base64 High Entropy String",
    "Basic Auth Credentials",
    "Cloudant Credentials",
    "Discord Bot Token",
    "GitHub Token",
    "GitLab Token",
    "IBM COS HMAC Credentials",
    "IBM Cloud IAM Key",
    "JSON Web Token",
    "Mailchimp Access Key",
    "NPM tokens",
    "OpenAI Token",
    "Private Key",
    "PyPI Token",
    "Secret Keyword",
    "SendGrid API Key",
    "Slack Token",
    "SoftLayer Credentials",
    "Square OAuth Secret",
    "Stripe Access Key",
    "Telegram Bot Token",
    "Twilio API Key",
)
"""What detect-secrets is to find, in its own words; not addresses and digests in hex, which people need."""


def public_message(answer: str, member: str) -> str:
    """The member that the plan's author declared to be public, on one line; empty where there is none.

    Args:
        answer: JSON, or the output of a script whose last line is JSON.
        member: Name of the member of its object; empty when none was declared.
    """
    found = _last_object(answer).get(member) if member else None
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        return ""
    return " ".join(redact_text(str(found)).split())[:LONGEST_MESSAGE]


def _last_object(answer: str) -> dict[str, Any]:
    for text in (answer, (answer.strip().splitlines() or [""])[-1]):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            return found
    return {}


def kept_output(output: str, *, is_wanted: bool, known: Collection[str] = ()) -> str:
    """The end of an output without secrets, named or not; empty unless the plan wants it kept.

    Args:
        known: Names that may stand in it: of machines and of the plan.
    """
    if not is_wanted:
        return ""
    clean = _end_of(without_nameless(redact_text(output), known))
    return "\n".join(map(_without_detected, clean.splitlines())).strip()[-LONGEST_OUTPUT:]


def _end_of(text: str) -> str:
    """The end of a text, from a whole word on: for a line of twice the length some detectors take four times as long.

    It may become shorter yet, so that more of it is looked at than can be kept.
    """
    if len(text) <= LOOKED_AT:
        return text
    return re.sub(r"\A\S*", "", text[-LOOKED_AT:])


def without_values(text: str, values: Iterable[str]) -> str:
    """A text without these secrets."""
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, REDACTED)
    return text


def _without_detected(line: str) -> str:
    """A line without what detect-secrets finds in it."""
    for secret in sorted(set(_find_secrets(line)), key=len, reverse=True):
        if secret.strip("[]") != REDACTED.strip("[]"):
            line = re.sub(re.escape(secret), REDACTED, line)
    return line


def _find_secrets(line: str) -> Iterator[str]:
    for detector in _load_detectors():
        for found in detector.analyze_line(filename="", line=line, line_number=1):
            if found.secret_value:
                yield found.secret_value


@cache
def _load_detectors() -> tuple[Any, ...]:
    """Their plugins, each by itself: their scan of files reports every word, and asks services about secrets."""
    from detect_secrets.core.plugins import util  # noqa: PLC0415 - takes 0.1 s, and few plans keep output

    classes: Mapping[str, Any] = util.get_mapping_from_secret_type_to_class()
    return tuple(classes[name]() for name in DETECTORS)
