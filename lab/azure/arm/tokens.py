"""Tokens: the managed identity endpoint of the product's host, and the OAuth endpoint for other clients.

A token says for itself who it is for and until when, so it outlives the process that issued it. Its expiry is in real
time: SDKs compare it with the wall clock.
"""

import base64
import hmac
import json
import time
from urllib.parse import parse_qs

from lab.azure.simulator.answers import Answer, ArmError, Json
from lab.azure.simulator.lab import TENANT

IDENTITY_HEADER = "lab-identity"
PRODUCT = "hci-site-recovery"
LIFETIME_IN_SECONDS = 24 * 3600
ARM_AUDIENCES = ("https://management.azure.com", "https://management.core.windows.net")
EVENT_GRID = "https://eventgrid.azure.net"
_KEY = b"the lab issues its tokens with this"


def issue_token(principal: str, audience: str) -> Json:
    """A token: {token, expires}, with `expires` in real seconds since 1970."""
    expires = int(time.time()) + LIFETIME_IN_SECONDS
    claims = {"aud": audience.rstrip("/"), "exp": expires, "oid": principal, "tid": TENANT}
    parts = ({"alg": "HS256", "typ": "JWT"}, claims)
    text = ".".join(_encode_base64(json.dumps(part).encode()) for part in parts)
    return {"token": f"{text}.{_sign_text(text)}", "expires": expires}


def principal_of(authorization: str, audiences: tuple[str, ...]) -> str:
    """Who a bearer header speaks for.

    Raises:
        ArmError: 401 in ARM's words, with its WWW-Authenticate.
    """
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise _unauthorised_error(
            "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."
        )
    text, _, signature = token.rpartition(".")
    if not hmac.compare_digest(signature, _sign_text(text)):
        raise _unauthorised_error("InvalidAuthenticationToken", "The access token is invalid.")
    claims = json.loads(base64.urlsafe_b64decode(text.rpartition(".")[2] + "=="))
    if claims["exp"] < time.time():
        raise _unauthorised_error(
            "ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than current UTC time."
        )
    if claims["aud"] not in audiences:
        message = f"The access token has been obtained for wrong audience or resource '{claims['aud']}'."
        raise _unauthorised_error("InvalidAuthenticationTokenAudience", message)
    return str(claims["oid"])


def managed_identity(query: dict[str, str], headers: dict[str, str]) -> Answer:
    """GET /msi/token as App Service answers it (api-version 2019-08-01)."""
    if headers.get("x-identity-header") != IDENTITY_HEADER:
        return Answer(401, {"statusCode": 401, "message": "X-IDENTITY-HEADER is missing or wrong"})
    if query.get("api-version") != "2019-08-01" or not query.get("resource"):
        return Answer(400, {"statusCode": 400, "message": "api-version 2019-08-01 and resource are required"})
    principal = query.get("client_id") or PRODUCT
    issued = issue_token(principal, query["resource"])
    return Answer(
        200,
        {
            "access_token": issued["token"],
            "expires_on": str(issued["expires"]),
            "resource": query["resource"],
            "token_type": "Bearer",
            "client_id": principal,
        },
    )


def client_credentials(form: str) -> Answer:
    """POST /{tenant}/oauth2/v2.0/token with a client id, any secret, and a scope that ends in /.default."""
    fields = {name: values[0] for name, values in parse_qs(form).items()}
    missing = [name for name in ("client_id", "client_secret", "scope") if not fields.get(name)]
    if fields.get("grant_type") != "client_credentials":
        return _oauth_error("unsupported_grant_type", "AADSTS70003: The app requested an unsupported grant type.")
    if missing:
        return _oauth_error("invalid_request", f"AADSTS900144: The request body must contain: '{missing[0]}'.")
    issued = issue_token(fields["client_id"], fields["scope"].removesuffix("/.default"))
    life = LIFETIME_IN_SECONDS
    token = {"token_type": "Bearer", "expires_in": life, "ext_expires_in": life, "access_token": issued["token"]}
    return Answer(200, token)


def _oauth_error(code: str, description: str) -> Answer:
    return Answer(400, {"error": code, "error_description": description})


def _unauthorised_error(code: str, message: str) -> ArmError:
    challenge = (
        f'Bearer authorization_uri="https://login.microsoftonline.com/{TENANT}", error="invalid_token", '
        f'error_description="{message}"'
    )
    return ArmError(401, code, message, headers={"WWW-Authenticate": challenge})


def _encode_base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _sign_text(text: str) -> str:
    return _encode_base64(hmac.digest(_KEY, text.encode(), "sha256"))
