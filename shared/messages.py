"""Everything that crosses a durable boundary, as plain JSON, and is kept in history."""

from typing import Self

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from shared.arm_ids import names_by_type


class Message(BaseModel, frozen=True):
    """An immutable value that travels as plain JSON and is kept in history."""


class Document(Message):
    """What people declare and read: camelCase on the wire, and nothing that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class VaultRef(Message):
    """A Recovery Services vault."""

    subscription_id: str
    resource_group: str
    vault: str

    @classmethod
    def from_id(cls, arm_id: str) -> Self:
        """Read the vault out of its own ARM id, or out of that of anything below it, in any casing.

        Raises:
            ValueError: the id names no vault.
        """
        named = names_by_type(arm_id)
        try:
            return cls(
                subscription_id=named["subscriptions"], resource_group=named["resourcegroups"], vault=named["vaults"]
            )
        except KeyError as missing:
            raise ValueError(f"not the ARM id of a Recovery Services vault: {arm_id}") from missing

    @property
    def arm_id(self) -> str:
        """The vault's ARM id, in the casing of this reference."""
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.RecoveryServices/vaults/{self.vault}"
        )

    @property
    def key(self) -> str:
        """Equal for equal vaults, however their ids were spelt."""
        return f"{self.subscription_id}|{self.resource_group}|{self.vault}".lower()
