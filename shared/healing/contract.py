"""The contract's part for nodes: extensions and scripts, locks, the Activity Log, and what is remembered of them."""

import re
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import Field

from shared.activity import Activity, Nothing
from shared.healing.node_record import NodeRecord
from shared.messages import Message
from shared.operations.obligations import Lock
from shared.sites.nodes import ExtensionView, NodeView


class ReadNodes(Message):
    """Read the Arc machines of a cluster with their ASR extension.

    Attributes:
        machine_id: Only this machine; its cluster is then in the answer.
    """

    cluster_id: str = ""
    machine_id: str = ""


class NodesRead(Message):
    """Nodes by name.

    Attributes:
        at: When Azure answered, by its own clock.
    """

    nodes: tuple[NodeView, ...]
    at: datetime


class RemoveExtension(Message):
    """Uninstall an extension from a node; one that is gone, or is being removed, is left alone."""

    extension_id: str
    operation: str


class CreateExtension(Message):
    """Install the ASR extension with the settings that were saved; one that is there is left alone."""

    machine_id: str
    operation: str
    saved: ExtensionView


ScriptName = Literal["sync-cluster", "read-registration", "read-node", "read-source"]


class RunScript(Message):
    """Run one of the repository's scripts on a node through Arc Run Command, under a name used once.

    Attributes:
        name: Run command name, unique for the run and the attempt: every PUT runs the script again.
        parameters: Of the script, by name. They are kept in Azure in clear: never a secret.
    """

    machine_id: str
    name: str
    script: ScriptName
    operation: str
    parameters: dict[str, str] = Field(default_factory=dict)
    timeout: timedelta = timedelta(minutes=10)


class ReadScript(Message):
    """Read how a run command stands."""

    machine_id: str
    name: str


class ScriptView(Message):
    """A run command's state.

    Attributes:
        state: executionState: Unknown, Pending, Running, Failed, Succeeded, TimedOut, Canceled; "Missing" when gone.
        result: The JSON object on the script's last line of output, None when there is none yet.
    """

    state: str
    exit_code: int | None = None
    output: str = ""
    error: str = ""
    result: dict[str, Any] | None = None

    @property
    def has_ended(self) -> bool:
        """Whether it will not change any more."""
        return self.state in {"Failed", "Succeeded", "TimedOut", "Canceled", "Missing"}


class RemoveScript(Message):
    """Delete a run command once its output was read; one that is gone is left alone."""

    machine_id: str
    name: str
    operation: str


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


CORRELATION_ID = re.compile(r"[0-9A-Fa-f-]{8,64}")
"""What a correlation id looks like: it becomes part of a filter, so nothing else may."""


class ReadCause(Message):
    """Read what the Activity Log says of a failure.

    Attributes:
        correlation_id: Correlation id of the event that reported it.
        since: No entry is older.
    """

    resource_id: str
    correlation_id: str
    since: datetime


class CauseRead(Message):
    """Code and message of the failure, both empty where the log says nothing (yet)."""

    code: str = ""
    message: str = ""


class ReadNodeRecords(Message):
    """Read what is remembered of nodes.

    Attributes:
        machines: ARM ids, in any casing.
    """

    machines: tuple[str, ...]


class NodeRecordsRead(Message):
    """One for each node that anything is remembered of.

    Attributes:
        ended_runs: Runs of these nodes that are over and did not say so.
    """

    records: tuple[NodeRecord, ...]
    ended_runs: tuple[str, ...] = ()


READ_NODES = Activity("read_nodes", ReadNodes, NodesRead)
REMOVE_EXTENSION = Activity("remove_extension", RemoveExtension, Nothing)
CREATE_EXTENSION = Activity("create_extension", CreateExtension, Nothing)
RUN_SCRIPT = Activity("start_node_script", RunScript, Nothing)
READ_SCRIPT = Activity("read_node_script", ReadScript, ScriptView)
REMOVE_SCRIPT = Activity("remove_node_script", RemoveScript, Nothing)
READ_LOCKS = Activity("read_locks", ReadLocks, LocksRead)
REMOVE_LOCKS = Activity("remove_locks", RemoveLocks, Nothing)
RESTORE_LOCKS = Activity("restore_locks", RestoreLocks, Nothing)
READ_CAUSE = Activity("read_failure_cause", ReadCause, CauseRead)
READ_NODE_RECORDS = Activity("read_node_records", ReadNodeRecords, NodeRecordsRead)
