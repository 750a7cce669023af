"""Who calls, and what they may do: read from the header that the platform's authentication sets."""

import base64
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
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
_ID_CLAIMS = ("http://schemas.microsoft.com/identity/claims/objectidentifier", "oid")
_TENANT_CLAIMS = frozenset({"http://schemas.microsoft.com/identity/claims/tenantid", "tid"})
_SUBJECT_CLAIMS = ("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier", "sub")
OBJECT_ID = re.compile(r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")
"""Of a person, an app or a tenant in Entra."""
PROVIDER = "aad"
"""What App Service calls Entra: other providers can be set up beside it, and anybody can have an account there."""
LONGEST_NAME = 200
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


class Foreign(Forbidden):
    """The caller is signed in, but not with Entra, or not in the tenant of this app."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, "Not of this tenant")


class NobodyKnown(Refused):
    """Another person has to agree, and function keys are the door: nobody knows who uses one."""

    field = PRINCIPAL_HEADER

    def __init__(self, detail: str, title: str) -> None:
        super().__init__("keys-are-nobody", f"{detail}: whoever uses a function key could be anybody")
        self.title = title


class NotSignedIn(Refused):
    """Nobody is signed in where that is asked for; `field` names the header of those who are."""

    field = PRINCIPAL_HEADER

    def __init__(self) -> None:
        super().__init__("not-signed-in", "sign in with your Entra account: nothing else opens this app")


class Principal(Message):
    """A caller.

    Attributes:
        id: Object id in Entra, in lower case; empty for the holder of a function key, who could be anybody.
        is_app: Whether it is an app that signed in as itself: whoever owns it speaks for it.
        roles: App roles, with those that they imply.
    """

    id: str = ""
    name: str
    is_app: bool = False
    roles: tuple[str, ...] = ()


def key_holder(key_roles: Iterable[str]) -> Principal:
    """Whoever has a function key: the host has seen to that, and nobody knows who it is."""
    return Principal(name="function key", roles=_with_implied(key_roles))


def identify_caller(headers: Mapping[str, str], tenant: str, audience: str) -> Principal:
    """The caller whom the platform's authentication names. To be asked only where that stands before the app.

    Args:
        tenant: Id of the tenant whose persons and apps are let in.
        audience: Client id of the app registration that tokens have to be for.

    Raises:
        NotSignedIn: nobody is named.
        MalformedPrincipal: the header is there and cannot be read.
        Foreign: another provider or tenant vouches for the caller, or their token is for another app.
    """
    header = next((value for name, value in headers.items() if name.upper() == PRINCIPAL_HEADER), None)
    if header is None:
        raise NotSignedIn
    principal = _decode_principal(header)
    listed = principal.get("claims", [])
    if not isinstance(listed, list) or not all(isinstance(claim, dict) for claim in listed):
        raise MalformedPrincipal("has no list of claims, each an object with typ and val")
    claims = [(str(claim.get("typ", "")), str(claim.get("val", ""))) for claim in listed]
    _require_own(principal.get("auth_typ"), claims, tenant, audience)
    name = _first_claim(claims, (str(principal.get("name_typ", "")), *_NAME_CLAIMS)) or "unnamed"
    object_id = _first_claim(claims, _ID_CLAIMS).lower()
    if not object_id:
        raise NotSignedIn
    return Principal(
        id=object_id,
        name=_printable(name),
        is_app=_is_app(claims, object_id),
        roles=_with_implied(value for name, value in claims if name in _ROLE_CLAIMS),
    )


def _require_own(provider: Any, claims: Iterable[tuple[str, str]], tenant: str, audience: str) -> None:
    """See that Entra vouches for the caller, in this tenant and to this app."""
    if provider != PROVIDER:
        raise Foreign(f"{_printable(str(provider))} vouches for this caller: this app lets in who Entra has signed in")
    tenants = {value.lower() for name, value in claims if name in _TENANT_CLAIMS}
    if not tenant or tenants != {tenant.lower()}:
        raise Foreign("this app lets in persons and apps of its own tenant alone, which TENANT_ID names")
    audiences = {value.lower().removeprefix("api://") for name, value in claims if name == "aud"}
    if not audience or audiences - {audience.lower()}:
        raise Foreign("this caller's token is for another app: AUDIENCE names the one that it has to be for")


def _is_app(claims: Sequence[tuple[str, str]], object_id: str) -> bool:
    """Source: Entra's access tokens: `idtyp` is "app" in a token of an app alone, whose `sub` is its object id."""
    is_own_subject = bool(object_id) and _first_claim(claims, _SUBJECT_CLAIMS).lower() == object_id
    return _first_claim(claims, ("idtyp",)).lower() == "app" or is_own_subject


def _printable(text: str) -> str:
    """As it can stand in a line of a log or a page."""
    return "".join(char if char.isprintable() else "?" for char in text)[:LONGEST_NAME]


def require_role(caller: Principal, role: str) -> None:
    """Let the caller pass who has the role.

    Raises:
        Forbidden: they have not.
    """
    if role not in caller.roles:
        raise Forbidden(f"this needs the role {role}; {caller.name} has {', '.join(caller.roles) or 'none'}")


def require_signed_in(caller: Principal, named_ids: Collection[str] = ()) -> None:
    """Let a requester pass who is signed in: only then can another person be the approver.

    Args:
        named_ids: Object ids that the approvals name: an app counts as somebody only there.

    Raises:
        NobodyKnown: keys are the door.
        Forbidden: an app is signed in, whose owner could approve what they have it ask for.
    """
    if not caller.id:
        raise NobodyKnown("this plan needs approval, so it cannot be run where DOOR is keys", "Sign in to ask for this")
    _require_person(caller, named_ids)


def require_second_person(caller: Principal, requester_id: str, named_ids: Collection[str] = ()) -> None:
    """Let an approver pass who is somebody, and somebody else than the requester.

    Args:
        named_ids: Object ids that the approvals name: an app counts as somebody only there.

    Raises:
        NobodyKnown: keys are the door.
        Forbidden: they may not approve at all, or not this.
    """
    require_role(caller, APPROVE)
    if not caller.id:
        raise NobodyKnown("nobody can approve or reject where DOOR is keys", "Sign in to approve")
    _require_person(caller, named_ids)
    if caller.id == requester_id.lower():
        raise Forbidden(f"{caller.name} requested this: another person has to approve it", "Another person is needed")


def _require_person(caller: Principal, named_ids: Collection[str]) -> None:
    if caller.is_app and caller.id not in {one.lower() for one in named_ids}:
        detail = f"{caller.name} is an app: whoever owns it could ask and approve. Name its object id in the approvals"
        raise Forbidden(detail, "A person is needed")


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
