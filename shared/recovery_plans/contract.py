"""The activities on recovery plans in the vault as orchestrators see them."""

from datetime import datetime
from typing import Literal

from shared.activity import Activity
from shared.messages import Message, VaultRef
from shared.recovery_plans.mirror import FoundPart, PartWrite


class ReadMirror(Message):
    """Read the recovery plans of a vault whose names begin so, in any casing."""

    vault: VaultRef
    base: str


class MirrorRead(Message):
    """Those that are there, each with its groups."""

    found: tuple[FoundPart, ...]


class WritePart(Message):
    """Write one recovery plan, unless it is already as it should be.

    Attributes:
        operation: Id of the run: the request id is made of it.
        since: When this was first asked for: no job to adopt is older.
    """

    operation: str
    write: PartWrite
    since: datetime


class PartWritten(Message):
    """What became of it: "started" names the job; "kept": there was nothing to do."""

    outcome: Literal["started", "kept"]
    job: str = ""


READ_MIRROR = Activity("read_recovery_plans", ReadMirror, MirrorRead)
WRITE_PART = Activity("write_recovery_plan", WritePart, PartWritten)
