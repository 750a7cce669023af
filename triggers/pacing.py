"""How long a request waits for what it has started."""

from datetime import timedelta

ADMISSION_PAUSES = tuple(timedelta(seconds=min(0.05 * 1.3**number, 1)) for number in range(24))
"""Pauses between the looks at a run that was started, 15 seconds in all: a caller had better be refused now than later,
and on a host that was idle the first step takes as long as a poll of the queues."""
DOCUMENT_CHANGE_WITHIN = timedelta(seconds=20)
"""How long a caller waits for a document to be declared or withdrawn; it takes a fraction of one second."""
TERMINATION_WITHIN = timedelta(minutes=5)
"""How long the engine may take to end a drill that is left, before the failover that waits for its VMs gives up."""
