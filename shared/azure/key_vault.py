"""Secrets of a key vault, read with the app's identity when they are used, and kept nowhere.

Source: Key Vault 7.4, GET {vault}/secrets/{name}/{version}: {value, id, attributes}.
"""

from azure.core.rest import HttpRequest

from shared.azure.api_versions import KEY_VAULT_API
from shared.azure.clients import azure
from shared.azure.errors import translate_errors
from shared.azure.json_fields import text_of
from shared.errors import Refused, Transient
from shared.secret_references import SecretReference, parse_reference


async def read_secret(reference: str) -> str:
    """The value of a secret.

    Args:
        reference: As a plan has it, "@kv:vault/secret".

    Raises:
        Refused: secret-unread: it is no reference, there is no such secret, or it is not to be read by this app;
            scope-not-allowed: its key vault is none that the app may work with.
        Transient: the vault did not answer.
    """
    try:
        named = parse_reference(reference)
    except ValueError as wrong:
        raise Refused("secret-unread", str(wrong)) from None
    azure().require_allowed_secret(reference)
    try:
        value = await _get_value(named)
    except Refused as refusal:
        detail = f"the secret {named.secret} of the key vault {named.vault} cannot be read"
        raise Refused("secret-unread", f"{detail}: {refusal.code}: {refusal.detail}") from None
    if not value:
        raise Refused("secret-unread", f"the secret {named.secret} of the key vault {named.vault} is empty")
    return value


async def _get_value(named: SecretReference) -> str:
    base, client = azure().key_vault_client(named)
    path = f"{base}/secrets/{named.secret}" + (f"/{named.version}" if named.version else "")
    with translate_errors():
        answer = await client.send_request(HttpRequest("GET", path, params={"api-version": KEY_VAULT_API}))
        answer.raise_for_status()
        body = answer.json()
    if answer.status_code != 200 or not isinstance(body, dict):
        raise Transient(f"the key vault {named.vault} answered {answer.status_code} without a secret")
    return text_of(body.get("value"))
