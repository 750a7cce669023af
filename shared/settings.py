"""The app's settings, read from its environment and checked once; an error names the setting."""

from collections.abc import Mapping
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    model_validator,
)

from shared.errors import SiteRecoveryError
from shared.network_addresses import LOOPBACK
from shared.obstacle import Obstacle
from shared.principals import OBJECT_ID, READ, ROLES
from shared.signing_key import parse_key_place


class WrongSettings(SiteRecoveryError):
    """The environment says something that cannot be used; the message names each setting."""


def _check_url(url: str) -> str:
    address = urlsplit(url)
    if not address.hostname or address.scheme not in {"https", "http"}:
        raise ValueError(f"not an absolute https URL: {url!r}")
    if address.scheme == "http" and address.hostname not in LOOPBACK:
        raise ValueError(f"http is for this very machine only, a token must not travel in clear: {url!r}")
    return url.rstrip("/")


def _check_roles(roles: tuple[str, ...]) -> tuple[str, ...]:
    if unknown := [role for role in roles if role not in ROLES]:
        raise ValueError(f"no such role: {', '.join(unknown)}; there are {', '.join(ROLES)}")
    return roles


def _split_list(value: object) -> object:
    return tuple(filter(None, (part.strip() for part in value.split(",")))) if isinstance(value, str) else value


def _check_store(place: str) -> str:
    is_folder = place.startswith("folder:")
    if is_folder and not place.startswith("folder:/"):
        raise ValueError(f"a folder is named by its whole path, folder:/...: {place!r}")
    return place if is_folder else _check_url(place)


def _check_key(place: str) -> str:
    parse_key_place(place)
    return place


Url = Annotated[str, AfterValidator(_check_url)]


class Settings(BaseModel):
    """The app's settings.

    Attributes:
        arm_url: Base URL of Azure Resource Manager, without a slash at its end.
        arm_pace: How many times as fast as documented ARM refills its limits of requests: the clock of the lab is fast.
        topic_endpoint: Where CloudEvents are published; None: nowhere.
        topic_key: Of the topic; None: the managed identity's token.
        client_id: Of a user-assigned identity; None: the system-assigned one.
        evidence_store: Where evidence is kept: "folder:/a/path", or the URL of a blob container; None: nowhere.
        evidence_key: What signs evidence: URL of a key in a key vault, or "file:/a/path" of a PEM; None: nothing.
        key_roles: App roles of a caller who came with a function key and no principal.
        run_retention_days: How long the engine keeps operations that have ended; their evidence stays.
        sign_in_only: Whether callers have to be signed in, and function keys open nothing.
        authenticated: Whether the platform's authentication is on, so that its principal header can be believed.
        tenant: Id of the tenant whose persons and apps are let in.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    arm_url: Url = Field("https://management.azure.com", alias="AZURE_RESOURCE_MANAGER_URL")
    topic_endpoint: Url | None = Field(None, alias="EVENTGRID_TOPIC_ENDPOINT")
    topic_key: SecretStr | None = Field(None, alias="EVENTGRID_TOPIC_KEY")
    client_id: str | None = Field(None, alias="AZURE_CLIENT_ID")
    evidence_store: Annotated[str, AfterValidator(_check_store)] | None = Field(None, alias="EVIDENCE_STORE")
    evidence_key: Annotated[str, AfterValidator(_check_key)] | None = Field(None, alias="EVIDENCE_KEY")
    key_roles: Annotated[tuple[str, ...], BeforeValidator(_split_list), AfterValidator(_check_roles)] = Field(
        (), alias="KEY_ROLES"
    )
    arm_pace: float = Field(1, gt=0, alias="ARM_PACE")
    run_retention_days: int = Field(90, ge=1, le=3650, alias="RUN_RETENTION_DAYS")
    sign_in_only: bool = Field(default=False, alias="SIGN_IN_ONLY")
    authenticated: bool = Field(default=False, alias="WEBSITE_AUTH_ENABLED")
    tenant: Annotated[str, StringConstraints(pattern=OBJECT_ID.pattern)] = Field("", alias="TENANT_ID")

    @model_validator(mode="after")
    def _check_door(self) -> Self:
        """Who is signed in is somebody of one tenant, and where all have to be signed in something signs them in."""
        if self.authenticated and not self.tenant:
            raise ValueError("TENANT_ID: needed where WEBSITE_AUTH_ENABLED is on, else persons of any tenant come in")
        return self

    @property
    def is_in_lab(self) -> bool:
        """Whether Azure itself is simulated on this machine: then so is all that the app calls."""
        return self.arm_url.startswith("http:")

    def find_open_doors(self) -> tuple[Obstacle, ...]:
        """What these settings let callers do that the roles of persons do not say."""
        more = [role for role in self.key_roles if role != READ]
        if self.sign_in_only or not more:
            return ()
        detail = (
            f"whoever has a function key, and leaves the token out, has {', '.join(more)} without a role of their own, "
            f"and nobody knows who it was: set SIGN_IN_ONLY, or leave {READ} alone in KEY_ROLES"
        )
        return (Obstacle(code="keys-above-persons", detail=detail),)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings; one that is empty counts as not set.

        Raises:
            WrongSettings: with each setting that is wrong.
        """
        named = {field.alias for field in cls.model_fields.values()}
        try:
            return cls.model_validate({name: value for name, value in environ.items() if name in named and value})
        except ValidationError as error:
            lines = (
                ": ".join((*map(str, line["loc"][:1]), line["msg"].removeprefix("Value error, ")))
                for line in error.errors()
            )
            raise WrongSettings("; ".join(lines)) from None
