"""App Service authentication before the host: who may pass, and the headers that tell the app who it is."""

import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from aiohttp import web

from lab.host.sign_in_page import PREFIX, SignInPage

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SIGNED_IN = web.RequestKey("signed_in", dict[str, str])
"""The principal headers of a request whose token was accepted."""

TENANT = "99999999-9999-9999-9999-999999999999"
AUDIENCE = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"
PROVIDER = "aad"
ENTRA = {"DOOR": "entra", "TENANT_ID": TENANT, "AUDIENCE": AUDIENCE, "KEY_ROLES": "", "WEBSITE_AUTH_ENABLED": "True"}
"""The app's settings where people sign in; the last is what the platform says by itself."""
KEYS = {
    "DOOR": "keys",
    "TENANT_ID": TENANT,
    "AUDIENCE": "",
    "KEY_ROLES": "Dr.Read,Dr.Drill,Dr.Operate,Dr.Admin",
    "WEBSITE_AUTH_ENABLED": "",
}
"""The app's settings where function keys are all that callers have."""
PAGE_FILES = ("app.css", "app.js", "door.json", "graph.js", "icon.svg", "licences.txt")
EXCLUDED = ("/admin/*", "/runtime/webhooks/eventgrid", "/api/ui", *(f"/api/ui/{name}" for name in PAGE_FILES))
"""Paths that ask for no person, as the templates exclude them: Event Grid has a key, and the page has to load first."""


class UnauthenticatedAction(StrEnum):
    """What happens to a request without a token, as `unauthenticatedClientAction` in Azure says it."""

    ALLOW = "allow"
    REQUIRE = "require"


@dataclass(frozen=True)
class Person:
    """Somebody of the lab's directory, with app roles as a registration of the app assigns them."""

    name: str
    object_id: str
    roles: tuple[str, ...]

    @property
    def token(self) -> str:
        """What stands for a token of Entra here."""
        return f"lab-{self.name}"

    @property
    def principal_headers(self) -> dict[str, str]:
        """What the platform tells the app about them."""
        claims = [("aud", AUDIENCE), ("oid", self.object_id), ("tid", TENANT), ("name", self.name)]
        claims += [("roles", role) for role in self.roles]
        principal = {
            "auth_typ": PROVIDER,
            "name_typ": "name",
            "role_typ": "roles",
            "claims": [{"typ": name, "val": value} for name, value in claims],
        }
        return {
            "X-MS-CLIENT-PRINCIPAL": base64.b64encode(json.dumps(principal).encode()).decode(),
            "X-MS-CLIENT-PRINCIPAL-ID": self.object_id,
            "X-MS-CLIENT-PRINCIPAL-IDP": PROVIDER,
            "X-MS-CLIENT-PRINCIPAL-NAME": self.name,
        }


PEOPLE = (
    Person("ann", "a0000000-0000-0000-0000-000000000001", ("Dr.Operate",)),
    Person("bob", "b0000000-0000-0000-0000-000000000002", ("Dr.Approve",)),
    Person("cai", "c0000000-0000-0000-0000-000000000003", ("Dr.Read",)),
    Person("dev", "d0000000-0000-0000-0000-000000000004", ("Dr.Drill",)),
    Person("eve", "e0000000-0000-0000-0000-000000000005", ("Dr.Admin",)),
    Person("fay", "f0000000-0000-0000-0000-000000000006", ()),
)
"""One for each app role, and one who is signed in and has none."""

_BY_TOKEN: Mapping[str, Person] = {person.token: person for person in PEOPLE}
_LABELS = {person.token: f"{person.name}: {', '.join(person.roles) or 'no role'}" for person in PEOPLE}


class SignIn:
    """Stands before all paths. A wrong token is 401 whatever the action is (inferred)."""

    def __init__(self, action: UnauthenticatedAction, excluded: tuple[str, ...] = EXCLUDED) -> None:
        self._action = action
        self._excluded = excluded
        self._page = SignInPage(_LABELS)

    @web.middleware
    async def check_token(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let pass who is signed in, and who need not be."""
        if any(fnmatchcase(request.path.lower(), pattern) for pattern in self._excluded):
            return await handler(request)
        if request.path.startswith(PREFIX):
            return self._page.answer(request)
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" and (session := self._page.read_session(request)):
            scheme, token = "bearer", session
        if scheme.lower() != "bearer":
            return await handler(request) if self._action is UnauthenticatedAction.ALLOW else _refuse_request()
        if (person := _BY_TOKEN.get(token.strip())) is None:
            return _refuse_request()
        request[SIGNED_IN] = person.principal_headers
        return await handler(request)


def _refuse_request() -> web.Response:
    return web.Response(status=401, headers={"WWW-Authenticate": f'Bearer realm="127.0.0.1" tenant="{TENANT}"'})
