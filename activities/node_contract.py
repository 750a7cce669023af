"""The contract's part for healing: locks, the Activity Log, and what is remembered of nodes."""

from datetime import datetime

from pydantic import Field

from activities.contract import Activity, Nothing
from shared.messages import Message
from shared.obligations import Lock
from shared.records import NodeRecord


class ReadLocks(Message):
    """Read the locks that hold for a machine: its own, and those of its group and subscription."""

    machine_id: str


class LocksRead(Message):
    """Locks in Azure's order."""

    locks: tuple[Lock, ...]


class RemoveLocks(Message):
    """Take locks off; one that is gone is left alone."""

    locks: tuple[Lock, ...] = Field(max_length=50)
    operation: str


class RestoreLocks(Message):
    """Put locks back as they were, and look whether they are; one that is there is left alone."""

    locks: tuple[Lock, ...]
    operation: str


class ReadCause(Message):
    """Read what the Activity Log says of a failure.

    Attributes:
        correlation: Correlation id of the event that told of it.
        since: No entry is older.
    """

    resource_id: str
    correlation: str
    since: datetime


class CauseRead(Message):
    """Code and message of the failure, both empty where the log says nothing (yet)."""

    code: str = ""
    message: str = ""


class ReadRecords(Message):
    """Read what is remembered of nodes.

    Attributes:
        machines: ARM ids, in any casing.
    """

    machines: tuple[str, ...]


class RecordsRead(Message):
    """One for each node that anything is remembered of.

    Attributes:
        ended: Runs of these nodes that are over and did not say so.
    """

    records: tuple[NodeRecord, ...]
    ended: tuple[str, ...] = ()


READ_LOCKS = Activity("read_locks", ReadLocks, LocksRead)
REMOVE_LOCKS = Activity("remove_locks", RemoveLocks, Nothing)
RESTORE_LOCKS = Activity("restore_locks", RestoreLocks, Nothing)
READ_CAUSE = Activity("read_cause", ReadCause, CauseRead)
READ_RECORDS = Activity("read_records", ReadRecords, RecordsRead)
