"""How a verb is sent, where Azure Site Recovery leaves a choice: the same fields from the request to the call."""

from typing import Any, Literal

from shared.messages import Message

DataSync = Literal["ForSynchronization", "ForDownTime"]


class VerbOptions(Message):
    """What an operation asks for, its run carries, and the call to Azure says.

    Attributes:
        shut_down_source: For UnplannedFailover: try to shut the source VM down first.
        data_sync: For Failback: a full download with the machine in Azure off, or its changes while it runs.
        create_vm: For Failback: make a VM that is gone on premises.
    """

    shut_down_source: bool = True
    data_sync: DataSync = "ForSynchronization"
    create_vm: bool = False

    def option_values(self) -> dict[str, Any]:
        """The options alone, to be handed on."""
        return {name: getattr(self, name) for name in VerbOptions.model_fields}
