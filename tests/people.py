"""Persons who are signed in, as App Service tells the app of them."""

from uuid import NAMESPACE_URL, uuid5

import pytest

from lab.host.sign_in import ENTRA, Person


def let_people_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have App Service authentication as the door of the app."""
    for name, value in ENTRA.items():
        monkeypatch.setenv(name, value)


def object_id_of(name: str) -> str:
    """Their object id in Entra: the same each time for a name."""
    return str(uuid5(NAMESPACE_URL, f"https://lab/{name}"))


def signed_in(name: str, *roles: str) -> dict[str, str]:
    """The headers of a request that somebody with these app roles sends."""
    return Person(name, object_id_of(name), roles).principal_headers
