"""The headers by which those whom the app calls know that it is the app."""

from collections.abc import Mapping
from datetime import datetime

from shared.azure.clients import azure
from shared.azure.errors import translate_errors
from shared.azure.key_vault import read_secret
from shared.plans.hook_authentication import HookAuthentication, signature_headers


async def authentication_headers(
    authentication: HookAuthentication | None, call_id: str, at: datetime | None, content: bytes
) -> Mapping[str, str]:
    """A bearer token for the audience, or a signature over id, time and body; none where the plan wants neither.

    Raises:
        Refused: secret-unread: the key cannot be read.
        Transient: no token could be had, or the key vault did not answer.
    """
    if authentication is None:
        return {}
    if authentication.type == "managedIdentity":
        with translate_errors():
            return {"Authorization": f"Bearer {await azure().token_for(authentication.audience)}"}
    if at is None:
        raise ValueError("a call is signed with the time at which it is made")
    return await signed_headers(authentication.secret, call_id, at, content)


async def signed_headers(secret: str, call_id: str, at: datetime, content: bytes) -> Mapping[str, str]:
    """A signature over id, time and body, by the key of a secret.

    Raises:
        Refused: secret-unread: the key cannot be read.
        Transient: the key vault did not answer.
    """
    return signature_headers(await read_secret(secret), call_id, at, content)
