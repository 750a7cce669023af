"""How the app shows those whom a plan has it call that it is the app. Pure."""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import ValidationInfo, model_validator

from shared.documents import CHECKED, Fault, raise_faults
from shared.messages import Document
from shared.secret_references import HOW, parse_reference

_AUDIENCE = re.compile(r"api://[A-Za-z0-9][\w.-]{0,120}(?:/[\w.-]{1,100}){0,4}")
_AZURES_OWN = re.compile(
    r"api://(?:[\w-]+\.)*(?:azure\.\w+|windows\.net|microsoft\.com|microsoftonline\.com|office\.com)\b"
    r"|797f4846-ba00-4fd7-ba43-dac1f8f63013|cfa8b339-82a2-471a-a3c9-0fc0be7a4093"
    r"|00000003-0000-0000-c000-000000000000|00000002-0000-0000-c000-000000000000|e406a681-f3d4-42a8-90b6-c2b029497af1"
    r"|4962773b-9cdb-44cf-a8bf-237846a00ab7|abfa0a7c-a6b6-4736-8310-5855508787cd",
    re.IGNORECASE,
)
"""Hosts of Azure's services, and ids of Azure Resource Manager, Key Vault, Graph, Storage, Event Grid, App Service."""
WEBHOOK_PREFIX = "whsec_"


class HookAuthentication(Document):
    """How a call is authenticated.

    Attributes:
        type: "managedIdentity" sends a token of the app's identity; "hmac" signs time, id and body.
        audience: Whom the token is for: the id URI of an app registration of your own, api://…
        secret: Reference to the key that both sides know, @kv:…

    Raises:
        ValidationError: with each field that is wrong.
    """

    type: Literal["managedIdentity", "hmac"]
    audience: str = ""
    secret: str = ""

    @model_validator(mode="after")
    def _check_fields(self, info: ValidationInfo) -> Self:
        if info.context is CHECKED:
            return self
        wrong = [*_audience_faults(self), *_secret_faults(self)]
        if wrong:
            raise_faults(type(self).__name__, wrong, None)
        return self


def _audience_faults(given: HookAuthentication) -> list[Fault]:
    if given.type != "managedIdentity":
        return [Fault(("audience",), "audience_unfit", "only managedIdentity has one")] if given.audience else []
    if not _AUDIENCE.fullmatch(given.audience) or _AZURES_OWN.search(given.audience):
        detail = "must be the id URI of an app registration of yours, api://<name or id>: no token for Azure is sent"
        return [Fault(("audience",), "audience_unfit", detail)]
    return []


def _secret_faults(given: HookAuthentication) -> list[Fault]:
    if given.type != "hmac":
        return [Fault(("secret",), "secret_unfit", "only hmac has one")] if given.secret else []
    try:
        parse_reference(given.secret)
    except ValueError:
        return [Fault(("secret",), "secret_unfit", f"a key is not written into a plan: {HOW}")]
    return []


def signature_headers(key: str, call_id: str, at: datetime, content: bytes) -> Mapping[str, Any]:
    """The headers of a signed call.

    Args:
        key: Of both sides; with the prefix whsec_ the rest is base64, else its UTF-8 is the key.
        call_id: The same in each try.
        at: When it is sent.
        content: The body as it is sent.

    Source: the specification Standard Webhooks, symmetric signatures v1.
    """
    seconds = str(int(at.timestamp()))
    signed = b".".join((call_id.encode(), seconds.encode(), content))
    digest = hmac.digest(_key_bytes(key), signed, hashlib.sha256)
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {"webhook-id": call_id, "webhook-timestamp": seconds, "webhook-signature": signature}


def _key_bytes(key: str) -> bytes:
    if key.startswith(WEBHOOK_PREFIX):
        try:
            return base64.b64decode(key.removeprefix(WEBHOOK_PREFIX), validate=True)
        except binascii.Error:
            pass  # then it is a text like any other
    return key.encode()
