"""Microsoft.KeyVault's data plane: secrets and keys of vaults, under /keyvault/{vault} in place of a host for each.

Source: Key Vault 7.4, GET /secrets/{name}[/{version}], GET /keys/{name}[/{version}], POST /keys/{name}/{version}/sign;
error codes as documented: 401 Unauthorized with the challenge that names the resource, 403 Forbidden, 404
SecretNotFound and KeyNotFound; the sentence on a digest of another length: azure-cli issue 28027. Inferred: the other
sentences.
"""

import base64
import binascii
import hashlib
import json
import re
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from lab.azure.arm import role_rights, tokens
from lab.azure.simulator.answers import Answer, ArmError, Json, bad_request, not_found, not_simulated
from lab.azure.simulator.lab import TENANT, Lab

KIND = "key-vault"
AUDIENCE = "https://vault.azure.net"
VERSIONS = frozenset({"7.4", "7.5", "7.6"})
HERE = "{lab}"
"""In a secret: where the lab is."""
CURVES: dict[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1()}
_KEY_PATH = re.compile(
    r"/keyvault/(?P<vault>[^/]+)/keys/(?P<key>[^/]+)(?:/(?P<version>[0-9a-f]{32})(?P<sign>/sign)?)?/?", re.IGNORECASE
)
_PATH = re.compile(r"/keyvault/(?P<vault>[^/]+)/secrets/(?P<secret>[^/]+)(?:/(?P<version>[^/]+))?/?", re.IGNORECASE)


def add_vault(lab: Lab, name: str, secrets: dict[str, str]) -> None:
    """Make a vault whose secrets the product may read, and with whose key it may sign."""
    vault = {"secrets": secrets, "keys": {"evidence": "P-256"}, "access": True, "disabled": []}
    lab.store.put(KIND, name.lower(), vault)


def change_vaults(lab: Lab, settings: Json) -> None:
    """By name: {secrets: {name: value}} and {keys: {name: curve}} are set; {disabled: [name]} are of both.

    {access: false} takes the product's rights away.

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
        keys = vault["keys"] | changes.get("keys", {})
        lab.store.put(KIND, name.lower(), vault | changes | {"secrets": secrets, "keys": keys})


def find_secret(lab: Lab, vault_name: str, name: str) -> str:
    """The value of a secret as others know it who share it with the product; empty where there is none."""
    vault = lab.store.get(KIND, vault_name.lower()) or {"secrets": {}}
    value = next((value for each, value in vault["secrets"].items() if each.lower() == name.lower()), "")
    return str(value).replace(HERE, lab.place.base)


def answer_call(
    lab: Lab, method: str, path: str, query: dict[str, str], headers: dict[str, str], raw: bytes = b""
) -> Answer:
    """Answer a call to a vault.

    Raises:
        ArmError: in Key Vault's words; 501 for what is not simulated.
    """
    principal = _principal_of(headers.get("authorization", ""))
    found = _PATH.fullmatch(path) or _KEY_PATH.fullmatch(path)
    if found is None or method != ("POST" if found.groupdict().get("sign") else "GET"):
        raise not_simulated(f"{method} {path}")
    if query.get("api-version") not in VERSIONS:
        raise bad_request("BadParameter", "The request URI contains an invalid or no api-version.")
    vault = lab.store.get(KIND, found["vault"].lower())
    if vault is None:
        raise not_simulated(f"the key vault {found['vault']}, whose host there is not")
    action = f"Microsoft.KeyVault/vaults/{_action_of(found.groupdict())}"
    if not vault["access"] or not role_rights.has_data_action(lab, principal, action):
        raise ArmError(403, "Forbidden", f"Caller is not authorized to perform action on resource. Action: '{action}'")
    if "secret" in found.groupdict():
        return _secret_answer(lab, vault, found["vault"], found["secret"], found["version"])
    key = _find_key(lab, vault, found["vault"], found["key"], found["version"])
    return _sign(key, raw) if found["sign"] else key.answer


def _action_of(parts: dict[str, str | None]) -> str:
    return "secrets/getSecret/action" if "secret" in parts else "keys/sign/action" if parts["sign"] else "keys/read"


class _Key(NamedTuple):
    place: str
    curve: str
    private: ec.EllipticCurvePrivateKey
    enabled: bool

    @property
    def answer(self) -> Answer:
        """Its public half, as GET shows it."""
        numbers, size = self.private.public_key().public_numbers(), (self.private.key_size + 7) // 8
        point = {"x": _base64url(numbers.x.to_bytes(size, "big")), "y": _base64url(numbers.y.to_bytes(size, "big"))}
        key = {"kid": self.place, "kty": "EC", "key_ops": ["sign", "verify"], "crv": self.curve, **point}
        return Answer(200, {"key": key, "attributes": {"enabled": self.enabled, "recoveryLevel": "Recoverable"}})


def _find_key(lab: Lab, vault: Json, vault_name: str, name: str, version: str | None) -> _Key:
    names = {each.lower(): each for each in vault["keys"]}
    current = lab.fixed_id("key", vault_name.lower(), name.lower()).replace("-", "")
    if name.lower() not in names or (version and version != current):
        raise ArmError(404, "KeyNotFound", f"A key with (name/id) {name} was not found in this key vault.")
    curve = vault["keys"][names[name.lower()]]
    number = int.from_bytes(hashlib.sha256(current.encode()).digest(), "big") >> 1
    private = ec.derive_private_key(number, CURVES[curve])
    place = f"https://{vault_name}.vault.azure.net/keys/{name}/{current}"
    return _Key(place, curve, private, name not in vault["disabled"])


def _sign(key: _Key, raw: bytes) -> Answer:
    """Sign a digest; never normalised: of the two signatures that are each other's mirror either may come."""
    if not key.enabled:
        raise ArmError(403, "Forbidden", "Operation sign is not allowed on a disabled key.")
    try:
        body = json.loads(raw)
        algorithm, value = body["alg"], body["value"]
        digest = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
    except (ValueError, KeyError, TypeError, binascii.Error):
        raise bad_request("BadParameter", "Property alg or value has an invalid value.") from None
    if algorithm != "ES256" or key.curve != "P-256":
        message = f"Key and signing algorithm are incompatible. The key uses curve {key.curve}, algorithm {algorithm}"
        raise bad_request("BadParameter", message)
    if len(digest) != 32:
        message = f"Invalid length of 'value': {len(digest)} bytes. ES256 requires 32 bytes, encoded with base64url."
        raise bad_request("BadParameter", message)
    r, s = decode_dss_signature(key.private.sign(digest, ec.ECDSA(Prehashed(SHA256()))))
    return Answer(200, {"kid": key.place, "value": _base64url(r.to_bytes(32, "big") + s.to_bytes(32, "big"))})


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _secret_answer(lab: Lab, vault: Json, vault_name: str, name: str, version: str | None) -> Answer:
    secrets = {each.lower(): each for each in vault["secrets"]}
    current = lab.fixed_id("secret", vault_name.lower(), name.lower()).replace("-", "")
    if name.lower() not in secrets or (version and version != current):
        message = f"A secret with (name/id) {name} was not found in this key vault."
        raise ArmError(404, "SecretNotFound", message)
    if name in vault["disabled"]:
        raise ArmError(403, "Forbidden", "Operation get is not allowed on a disabled secret.")
    value = vault["secrets"][secrets[name.lower()]].replace(HERE, lab.place.base)
    place = f"https://{vault_name}.vault.azure.net/secrets/{name}/{current}"
    return Answer(200, {"value": value, "id": place, "attributes": {"enabled": True, "recoveryLevel": "Recoverable"}})


def _principal_of(authorization: str) -> str:
    try:
        return tokens.principal_of(authorization, (AUDIENCE,))
    except ArmError as refusal:
        challenge = f'Bearer authorization="https://login.microsoftonline.com/{TENANT}", resource="{AUDIENCE}"'
        message = f"AKV10000: {refusal.message}"
        raise ArmError(401, "Unauthorized", message, headers={"WWW-Authenticate": challenge}) from None
