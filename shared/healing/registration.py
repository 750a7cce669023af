"""What the script read-registration says of a node: what its registry names, and how its services are."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationError

from shared.messages import Message

SHOWN_VALUES = frozenset(
    {"resourcename", "sitename", "siteid", "srsuri", "keyvault", "keyvaultname", "keyvaulturl", "keyvaulturi"}
)
"""Values of a registration by which a node's vault, site, service and key vault are known, as `plain_name` has them."""


def plain_name(name: str) -> str:
    """What a value of the registry is called, however it is written: "Key Vault_Name" is "keyvaultname"."""
    return name.replace(" ", "").replace("_", "").lower()


def is_shown_value(name: str) -> bool:
    """Whether a value of a registration is kept."""
    return plain_name(name) in SHOWN_VALUES


def _texts_of(values: object) -> dict[str, str]:
    """The registry's values as texts; none where there is no such key."""
    return {str(name): str(value) for name, value in values.items()} if isinstance(values, Mapping) else {}


class NodeRegistration(Message):
    """A node as it sees itself.

    Attributes:
        registry: The values of its registration, by name; empty for a node that is not registered.
        dra: State of the service dra: "Running", "Stopped", "Missing"; None where it is not known.
        hyper_v: Whether the Hyper-V role is installed; None where it is not known.
        application_control: "Off", "Audit", "Enforced"; None where it is not known.
        reached: Whether it reaches each URL that was tried.
        clock_offset: How far its clock is ahead of the one that dated an answer; None where nothing answered.
    """

    model_config = ConfigDict(frozen=True, validate_by_name=True, validate_by_alias=True)

    registry: Annotated[dict[str, str], BeforeValidator(_texts_of)] = Field(default_factory=dict, alias="registration")
    dra: str | None = None
    hyper_v: bool | None = Field(default=None, alias="hyperV")
    application_control: str | None = Field(default=None, alias="applicationControl")
    reached: Annotated[dict[str, bool], BeforeValidator(lambda urls: urls or {})] = Field(
        default_factory=dict, alias="endpoints"
    )
    clock_offset: timedelta | None = Field(default=None, alias="clockOffset")
    last_boot: Annotated[datetime, AfterValidator(lambda at: at.astimezone(UTC))] | None = Field(
        default=None, alias="lastBoot"
    )

    @property
    def missed(self) -> tuple[str, ...]:
        """The URLs that it does not reach."""
        return tuple(url for url, is_reached in self.reached.items() if not is_reached)


def read_registration_output(output: Mapping[str, Any] | None) -> NodeRegistration | None:
    """What the script wrote; None where it wrote nothing, or something else."""
    try:
        return NodeRegistration.model_validate(output) if output else None
    except ValidationError:
        return None
