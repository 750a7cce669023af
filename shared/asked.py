"""What a request says of how a verb is done: shown in its preview and its operation, and part of what is approved."""

from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import SerializerFunctionWrapHandler, model_serializer

from shared.messages import Document
from shared.plans import DataSyncWish


class Asked(Document):
    """The parameters of a verb as they will be used, by the request or else by the plan; only those that the verb has.

    Attributes:
        recovery_point: A rule, a name or an ARM id; or by VM, and the others take the latest.
        max_age: Of the points.
        shut_down_source: Whether the machines on premises are to be shut down.
        data_sync: How data comes home.
        resume_at: When a failback goes on by itself after its data synchronisation.
        create_vm: Whether a machine that is gone on premises is made again.
        host: The node that it is made on.
        order: Of the way home.
        return_at: When the machines of a round trip come home by themselves.
    """

    recovery_point: str | dict[str, str] | None = None
    max_age: timedelta | None = None
    shut_down_source: bool | None = None
    data_sync: DataSyncWish | None = None
    resume_at: datetime | None = None
    create_vm: bool | None = None
    host: str | None = None
    order: Literal["reverse", "same"] | None = None
    return_at: datetime | None = None

    @model_serializer(mode="wrap")
    def _said(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What a verb does not have is left out."""
        return {name: value for name, value in handler(self).items() if value is not None}
