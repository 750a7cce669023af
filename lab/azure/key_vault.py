"""Microsoft.KeyVault's data plane: secrets of vaults, under /keyvault/{vault} in place of a host for each.

Source: Key Vault 7.4, GET /secrets/{name}[/{version}]; error codes as documented: 401 Unauthorized with the challenge
that names the resource, 403 Forbidden, 404 SecretNotFound. Inferred: their exact sentences.
"""

import re

from lab.azure.arm import role_rights, tokens
from lab.azure.simulator.answers import Answer, ArmError, Json, bad_request, not_found, not_simulated
from lab.azure.simulator.lab import TENANT, Lab

KIND = "key-vault"
AUDIENCE = "https://vault.azure.net"
VERSIONS = frozenset({"7.4", "7.5", "7.6"})
_PATH = re.compile(r"/keyvault/(?P<vault>[^/]+)/secrets/(?P<secret>[^/]+)(?:/(?P<version>[^/]+))?/?", re.IGNORECASE)


def add_vault(lab: Lab, name: str, secrets: dict[str, str]) -> None:
    """Make a vault whose secrets the product may read."""
    lab.store.put(KIND, name.lower(), {"secrets": secrets, "access": True, "disabled": []})


def change_vaults(lab: Lab, settings: Json) -> None:
    """By name: {secrets: {name: value}} are set, {disabled: [name]}, {access: false} takes the product's right away.

    Raises:
        ArmError: 400 for anything else, 404 for a vault that there is not.
    """
    for name, changes in settings.items():
        vault = lab.store.get(KIND, name.lower())
        if vault is None:
            raise not_found(f"/providers/Microsoft.KeyVault/vaults/{name}")
        if not isinstance(changes, dict) or set(changes) - set(vault):
            raise bad_request("InvalidWorld", f"of a key vault can be changed: {', '.join(vault)}")
        secrets = vault["secrets"] | changes.get("secrets", {})
        lab.store.put(KIND, name.lower(), vault | changes | {"secrets": secrets})


def answer_call(lab: Lab, method: str, path: str, query: dict[str, str], headers: dict[str, str]) -> Answer:
    """Answer a call to a vault.

    Raises:
        ArmError: in Key Vault's words; 501 for what is not simulated.
    """
    principal = _principal_of(headers.get("authorization", ""))
    found = _PATH.fullmatch(path)
    if found is None or method != "GET":
        raise not_simulated(f"{method} {path}")
    if query.get("api-version") not in VERSIONS:
        raise bad_request("BadParameter", "The request URI contains an invalid or no api-version.")
    vault = lab.store.get(KIND, found["vault"].lower())
    if vault is None:
        raise not_simulated(f"the key vault {found['vault']}, whose host there is not")
    action = "Microsoft.KeyVault/vaults/secrets/getSecret/action"
    if not vault["access"] or not role_rights.has_data_action(lab, principal, action):
        raise ArmError(403, "Forbidden", f"Caller is not authorized to perform action on resource. Action: '{action}'")
    return _secret_answer(lab, vault, found["vault"], found["secret"], found["version"])


def _secret_answer(lab: Lab, vault: Json, vault_name: str, name: str, version: str | None) -> Answer:
    secrets = {each.lower(): each for each in vault["secrets"]}
    current = lab.fixed_id("secret", vault_name.lower(), name.lower()).replace("-", "")
    if name.lower() not in secrets or (version and version != current):
        message = f"A secret with (name/id) {name} was not found in this key vault."
        raise ArmError(404, "SecretNotFound", message)
    if name in vault["disabled"]:
        raise ArmError(403, "Forbidden", "Operation get is not allowed on a disabled secret.")
    value = vault["secrets"][secrets[name.lower()]]
    place = f"https://{vault_name}.vault.azure.net/secrets/{name}/{current}"
    return Answer(200, {"value": value, "id": place, "attributes": {"enabled": True, "recoveryLevel": "Recoverable"}})


def _principal_of(authorization: str) -> str:
    try:
        return tokens.principal_of(authorization, (AUDIENCE,))
    except ArmError as refusal:
        challenge = f'Bearer authorization="https://login.microsoftonline.com/{TENANT}", resource="{AUDIENCE}"'
        message = f"AKV10000: {refusal.message}"
        raise ArmError(401, "Unauthorized", message, headers={"WWW-Authenticate": challenge}) from None
