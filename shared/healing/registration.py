"""What the script read-registration says of a node: what its registry names, and how its services are."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationError

from shared.messages import Message


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
    """

    model_config = ConfigDict(frozen=True, validate_by_name=True, validate_by_alias=True)

    registry: Annotated[dict[str, str], BeforeValidator(_texts_of)] = Field(default_factory=dict, alias="registration")
    dra: str | None = None
    hyper_v: bool | None = Field(default=None, alias="hyperV")
    application_control: str | None = Field(default=None, alias="applicationControl")
    last_boot: Annotated[datetime, AfterValidator(lambda at: at.astimezone(UTC))] | None = Field(
        default=None, alias="lastBoot"
    )


def read_registration_output(output: Mapping[str, Any] | None) -> NodeRegistration | None:
    """What the script wrote; None where it wrote nothing, or something else."""
    try:
        return NodeRegistration.model_validate(output) if output else None
    except ValidationError:
        return None
