"""Who calls, and what they may do: read from the header that the platform's authentication sets."""

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any

from shared.errors import Refused
from shared.messages import Message

PRINCIPAL_HEADER = "X-MS-CLIENT-PRINCIPAL"
READ, DRILL, OPERATE, APPROVE, ADMIN = ROLES = ("Dr.Read", "Dr.Drill", "Dr.Operate", "Dr.Approve", "Dr.Admin")
IMPLIED: Mapping[str, tuple[str, ...]] = {
    DRILL: (READ,),
    OPERATE: (DRILL, READ),
    APPROVE: (READ,),
    ADMIN: (OPERATE, DRILL, READ),  # not approve: who runs everything does not also wave it through
}
_ROLE_CLAIMS = ("roles", "http://schemas.microsoft.com/ws/2008/06/identity/claims/role")
_ID_CLAIMS = ("http://schemas.microsoft.com/identity/claims/objectidentifier", "oid", "sub")
_NAME_CLAIMS = ("preferred_username", "upn", "name", "appid", "azp")


class MalformedPrincipal(Refused):
    """The principal header cannot be read; `field` is the header's name."""

    field = PRINCIPAL_HEADER

    def __init__(self, why: str) -> None:
        super().__init__("principal-malformed", f"{PRINCIPAL_HEADER} {why}")


class Forbidden(Refused):
    """The caller may not do this; `field` names where roles come from, `title` what is needed instead."""

    field = PRINCIPAL_HEADER

    def __init__(self, detail: str, title: str = "Role missing") -> None:
        super().__init__("forbidden", detail)
        self.title = title


class NotSignedIn(Refused):
    """Nobody is signed in where that is asked for; `field` names the header of those who are."""

    field = PRINCIPAL_HEADER

    def __init__(self) -> None:
        super().__init__("not-signed-in", "sign in with your Entra account: this app takes no function keys")


class Principal(Message):
    """A caller.

    Attributes:
        id: Object id in Entra; empty for the holder of a function key, who could be anybody.
        roles: App roles, with those that they imply.
    """

    id: str = ""
    name: str
    roles: tuple[str, ...] = ()


def identify_caller(headers: Mapping[str, str], key_roles: Iterable[str], *, trusted: bool = True) -> Principal:
    """The caller: the platform's principal, or else the holder of a function key with the roles of keys.

    Args:
        trusted: Whether the platform's authentication is on. Without it anyone could write the header: it counts not.

    Raises:
        MalformedPrincipal: the header is there and cannot be read.
    """
    header = next((value for name, value in headers.items() if name.upper() == PRINCIPAL_HEADER), None)
    if header is None or not trusted:
        return Principal(name="function key", roles=_with_implied(key_roles))
    principal = _decode_principal(header)
    listed = principal.get("claims", [])
    if not isinstance(listed, list) or not all(isinstance(claim, dict) for claim in listed):
        raise MalformedPrincipal("has no list of claims, each an object with typ and val")
    claims = [(str(claim.get("typ", "")), str(claim.get("val", ""))) for claim in listed]
    return Principal(
        id=_first_claim(claims, _ID_CLAIMS),
        name=_first_claim(claims, (str(principal.get("name_typ", "")), *_NAME_CLAIMS)) or "unnamed",
        roles=_with_implied(value for name, value in claims if name in (*_ROLE_CLAIMS, principal.get("role_typ"))),
    )


def require_role(caller: Principal, role: str) -> None:
    """Let the caller pass who has the role.

    Raises:
        Forbidden: they have not.
    """
    if role not in caller.roles:
        raise Forbidden(f"this needs the role {role}; {caller.name} has {', '.join(caller.roles) or 'none'}")


def require_principal(caller: Principal) -> None:
    """Let the caller pass who is a person or an app of the directory, and not merely the holder of a key.

    Raises:
        NotSignedIn: they are not.
    """
    if not caller.id:
        raise NotSignedIn


def require_signed_in(caller: Principal) -> None:
    """Let a requester pass who is signed in: only then can another person be the approver.

    Raises:
        Forbidden: nobody is signed in.
    """
    if not caller.id:
        detail = f"this plan needs approval: sign in with your Entra account, a {caller.name} cannot request it"
        raise Forbidden(detail, "Sign in to ask for this")


def require_second_person(caller: Principal, requester_id: str) -> None:
    """Let an approver pass who is somebody, and somebody else than the requester.

    Raises:
        Forbidden: they may not approve at all, or not this.
    """
    require_role(caller, APPROVE)
    if not caller.id:
        raise Forbidden("sign in with your Entra account to approve: a function key cannot", "Sign in to approve")
    if caller.id == requester_id:
        raise Forbidden(f"{caller.name} requested this: another person has to approve it", "Another person is needed")


def _with_implied(roles: Iterable[str]) -> tuple[str, ...]:
    """Those of our roles, with what they imply, in the order of ROLES."""
    held = {role for role in roles if role in ROLES}
    held |= {implied for role in held for implied in IMPLIED.get(role, ())}
    return tuple(role for role in ROLES if role in held)


def _decode_principal(header: str) -> Mapping[str, Any]:
    try:
        text = base64.b64decode(header, validate=True)
    except ValueError:
        raise MalformedPrincipal("is not base64") from None
    try:
        principal = json.loads(text)
    except (ValueError, RecursionError):
        raise MalformedPrincipal("does not hold JSON") from None
    if not isinstance(principal, dict):
        raise MalformedPrincipal("does not hold an object")
    return principal


def _first_claim(claims: Iterable[tuple[str, str]], names: Iterable[str]) -> str:
    """The value of the first of these names that the claims have; empty when they have none."""
    value_by_name = dict(reversed(list(claims)))
    return next((value_by_name[name] for name in names if value_by_name.get(name)), "")
