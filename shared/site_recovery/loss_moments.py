"""To which moment a loss of data counts, by name and in words. Pure."""

from collections.abc import Mapping
from typing import Literal

type LossCountedFrom = Literal[
    "outageAt", "lastHeartbeat", "decision", "failoverStart", "synchronised", "testFailoverStart"
]
COUNTED_FROM_TEXTS: Mapping[LossCountedFrom, str] = {
    "outageAt": "the outage, as who asked for the failover stated it",
    "lastHeartbeat": "the last heartbeat of the VM's host in the vault",
    "decision": "the decision to fail over, at most: when the source was lost is not known",
    "failoverStart": "the start of the VM's own failover, as its host was connected",
    "synchronised": "the source, which was shut down and synchronised",
    "testFailoverStart": "the start of the VM's test failover",
}
"""To which moment the age of the data counts, for people."""
