"""The app's settings, read from its environment and checked once; an error names the setting."""

import base64
import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self
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

from shared.allowed_scopes import check_scopes
from shared.errors import SiteRecoveryError
from shared.network_addresses import LOOPBACK
from shared.principals import OBJECT_ID, ROLES
from shared.signing_key import parse_key_place

SHORTEST_MAC_KEY = 32
"""Bytes: as many as the hash has."""


_HOSTNAME = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,62})\.)+[a-z]{2,63}", re.IGNORECASE)


class WrongSettings(SiteRecoveryError):
    """The environment says something that cannot be used; the message names each setting."""


def _check_url(url: str) -> str:
    address = urlsplit(url)
    if not address.hostname or address.scheme not in {"https", "http"}:
        raise ValueError(f"not an absolute https URL: {url!r}")
    if address.scheme == "http" and address.hostname not in LOOPBACK:
        raise ValueError(f"http is for this very machine only, a token must not travel in clear: {url!r}")
    return url.rstrip("/")


def _check_base(url: str) -> str:
    address = urlsplit(url)
    if address.query or address.fragment or address.username or address.password:
        raise ValueError("a base URL has no query, fragment and user")
    return url


def _check_roles(roles: tuple[str, ...]) -> tuple[str, ...]:
    if unknown := [role for role in roles if role not in ROLES]:
        raise ValueError(f"no such role: {', '.join(unknown)}; there are {', '.join(ROLES)}")
    return roles


ANYWHERE = "*"
"""As the allowed scopes: wherever the identity may, and somebody has decided so."""


def _split_scopes(value: object) -> object:
    return () if isinstance(value, str) and value.strip() == ANYWHERE else _split_list(value)


def _split_list(value: object) -> object:
    return tuple(filter(None, (part.strip() for part in value.split(",")))) if isinstance(value, str) else value


def _check_store(place: str) -> str:
    is_folder = place.startswith("folder:")
    if is_folder and not place.startswith("folder:/"):
        raise ValueError(f"a folder is named by its whole path, folder:/...: {place!r}")
    return place if is_folder else _check_url(place)


def _check_telemetry(target: str) -> str:
    is_file = target.startswith("file:/")
    if not is_file and target not in TELEMETRY_TARGETS:
        raise ValueError(f"must be file:/a/path or one of {', '.join(TELEMETRY_TARGETS)}, not {target!r}")
    return target


def _check_key(place: str) -> str:
    parse_key_place(place)
    return place


def _check_mac_key(key: SecretStr) -> SecretStr:
    try:
        length = len(base64.b64decode(key.get_secret_value(), validate=True))
    except ValueError:  # such as a Key Vault reference that could not be followed: it stands there as it is
        raise ValueError("not base64: is it a Key Vault reference that could not be read?") from None
    if length < SHORTEST_MAC_KEY:
        raise ValueError(f"{length} bytes are too few: {SHORTEST_MAC_KEY} random ones, in base64")
    return key


TELEMETRY_TARGETS = ("none", "console", "otlp", "azure-monitor")
KEY_VAULT_DOMAINS = {
    "management.chinacloudapi.cn": "vault.azure.cn",
    "management.usgovcloudapi.net": "vault.usgovcloudapi.net",
}
"""Of the clouds other than Azure itself, by the host of their Resource Manager."""
Url = Annotated[str, AfterValidator(_check_url)]
EntraId = Annotated[str, StringConstraints(pattern=OBJECT_ID.pattern)]
type Door = Literal["entra", "keys"]


class EnvironmentSettings(BaseModel):
    """Settings of the app, each under its own name."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

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


class SealSettings(EnvironmentSettings):
    """By what the app knows what it has sent itself: runs go on with these, whatever is wrong with its door.

    Attributes:
        mac_key: 32 random bytes or more in base64.
        mac_key_before: The key that `mac_key` has taken the place of, as long as runs of its time go on: what it has
            sealed is believed, and nothing is sealed with it. None: there is none.
    """

    mac_key: Annotated[SecretStr, AfterValidator(_check_mac_key)] = Field(alias="MAC_KEY")
    mac_key_before: Annotated[SecretStr, AfterValidator(_check_mac_key)] | None = Field(None, alias="MAC_KEY_BEFORE")

    @property
    def seal_key(self) -> bytes:
        """The key by which seals are made."""
        return base64.b64decode(self.mac_key.get_secret_value())

    @property
    def seal_keys(self) -> tuple[bytes, ...]:
        """The keys whose seals are believed."""
        before = self.mac_key_before
        return (self.seal_key, *((base64.b64decode(before.get_secret_value()),) if before else ()))


class AzureSettings(EnvironmentSettings):
    """What the app needs to reach Azure: runs go on with these, whatever is wrong with its door.

    Attributes:
        arm_url: Base URL of Azure Resource Manager, without a slash at its end.
        arm_pace: How many times as fast as documented ARM refills its limits of requests: the clock of the lab is fast.
        topic_endpoint: Where CloudEvents are published; None: nowhere.
        topic_key: Of the topic; None: the managed identity's token.
        client_id: Of a user-assigned identity; None: the system-assigned one.
        evidence_store: Where evidence is kept: "folder:/a/path", or the URL of a blob container; None: nowhere.
        evidence_key: What signs evidence: URL of a key in a key vault, or "file:/a/path" of a PEM; None: nothing.
        run_retention_days: How long the engine keeps operations that have ended; their evidence stays.
        app_url: Where people reach the app, for links in notifications; None: by the name that App Service gives it.
        hostname: That name; empty where there is none.
        allowed_scopes: ARM ids of all that the app may work in; empty: everything that its identity may.
    """

    arm_url: Url = Field("https://management.azure.com", alias="AZURE_RESOURCE_MANAGER_URL")
    topic_endpoint: Url | None = Field(None, alias="EVENTGRID_TOPIC_ENDPOINT")
    topic_key: SecretStr | None = Field(None, alias="EVENTGRID_TOPIC_KEY")
    client_id: str | None = Field(None, alias="AZURE_CLIENT_ID")
    evidence_store: Annotated[str, AfterValidator(_check_store)] | None = Field(None, alias="EVIDENCE_STORE")
    evidence_key: Annotated[str, AfterValidator(_check_key)] | None = Field(None, alias="EVIDENCE_KEY")
    arm_pace: float = Field(1, gt=0, alias="ARM_PACE")
    run_retention_days: int = Field(90, ge=1, le=3650, alias="RUN_RETENTION_DAYS")
    app_url: Annotated[Url, AfterValidator(_check_base)] | None = Field(None, alias="APP_URL")
    hostname: str = Field("", alias="WEBSITE_HOSTNAME")
    allowed_scopes: Annotated[tuple[str, ...], BeforeValidator(_split_scopes), AfterValidator(check_scopes)] = Field(
        (), alias="ALLOWED_SCOPES"
    )

    @property
    def is_in_lab(self) -> bool:
        """Whether Azure itself is simulated on this machine: then so is all that the app calls."""
        return self.arm_url.startswith("http:")

    @property
    def public_url(self) -> str:
        """Where people reach the app, without a slash at its end; empty where that is not known."""
        if self.app_url:
            return self.app_url
        return f"https://{self.hostname.lower()}" if _HOSTNAME.fullmatch(self.hostname) else ""

    @property
    def key_vault_domain(self) -> str:
        """Where the key vaults of the app's cloud are."""
        return KEY_VAULT_DOMAINS.get(urlsplit(self.arm_url).hostname or "", "vault.azure.net")


class Settings(AzureSettings, SealSettings):
    """All of the app's settings.

    Attributes:
        door: Who lets callers in: "entra", App Service authentication, or "keys", the function keys of the host.
        key_roles: App roles of whoever has a function key, where keys are the door.
        authenticated: Whether the platform's authentication is on, so that its principal header can be believed.
        tenant: Id of the tenant whose persons and apps are let in.
        audience: Client id of the app registration that callers sign in to.
    """

    door: Door = Field(alias="DOOR")
    key_roles: Annotated[tuple[str, ...], BeforeValidator(_split_list), AfterValidator(_check_roles)] = Field(
        (), alias="KEY_ROLES"
    )
    authenticated: bool = Field(default=False, alias="WEBSITE_AUTH_ENABLED")
    tenant: EntraId = Field("", alias="TENANT_ID")
    audience: EntraId = Field("", alias="AUDIENCE")

    @model_validator(mode="after")
    def _check_door(self) -> Self:
        """A door is wholly the one or wholly the other: half of each would let in who neither of them does."""
        if wrong := [detail for is_wrong, detail in self._door_rules() if is_wrong]:
            raise ValueError("; ".join(f"{detail} where DOOR is {self.door}" for detail in wrong))
        return self

    def _door_rules(self) -> tuple[tuple[bool, str], ...]:
        if self.door == "entra":
            return (
                (not self.authenticated, "WEBSITE_AUTH_ENABLED: App Service authentication has to be on"),
                (not self.tenant, "TENANT_ID: needed"),
                (not self.audience, "AUDIENCE: needed"),
                (bool(self.key_roles), "KEY_ROLES: must not be set, no key opens anything"),
            )
        return (
            (self.authenticated, "WEBSITE_AUTH_ENABLED: App Service authentication has to be off"),
            (not self.key_roles, "KEY_ROLES: needed, else nobody may do anything"),
        )


class TelemetrySettings(EnvironmentSettings):
    """Where spans, metrics and log lines go: what is wrong with these stops neither runs nor callers.

    Attributes:
        target: "none"; "console"; "file:/a/path" for OTLP as lines of JSON; "otlp", where OpenTelemetry's own
            settings (OTEL_EXPORTER_OTLP_ENDPOINT ...) say; "azure-monitor", where the connection string says.
        reads_kept: Which part of the traces keeps its successful reads of Azure; all that failed is always kept.
        connection_string: Of Application Insights.
        client_id: Of a user-assigned identity that sends; None: the system-assigned one.
    """

    target: Annotated[str, AfterValidator(_check_telemetry)] = Field("none", alias="TELEMETRY")
    reads_kept: float = Field(1, ge=0, le=1, alias="TELEMETRY_READS")
    connection_string: SecretStr | None = Field(None, alias="APPLICATIONINSIGHTS_CONNECTION_STRING")
    client_id: str | None = Field(None, alias="AZURE_CLIENT_ID")

    @model_validator(mode="after")
    def _check_connection(self) -> Self:
        if self.target == "azure-monitor" and self.connection_string is None:
            raise ValueError("APPLICATIONINSIGHTS_CONNECTION_STRING: needed where TELEMETRY is azure-monitor")
        return self
