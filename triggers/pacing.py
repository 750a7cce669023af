"""How long a request waits, for what it has started and for the engine."""

from datetime import timedelta

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=0.05), timedelta(seconds=1)
"""Pauses between the looks at a run grow from one to the other: most runs are far enough at once, or not for long."""
ADMISSION_WITHIN = timedelta(seconds=30)
"""How long a caller waits for the admission of a run: they had better be refused now than later. On a host that was
idle each of some four steps takes as long as a poll of the queues, and the first one a start."""
DOCUMENT_CHANGE_WITHIN = timedelta(seconds=60)
"""How long a caller waits for a document to be declared or withdrawn. It takes a fraction of one second, or on a host
that was idle as long as its start; most callers give up after 100 seconds, Azure after 230."""
ENGINE_ANSWER_WITHIN = timedelta(seconds=20)
"""How long one call of the engine may take: it gives up on a storage that refuses after six seconds, on one that hangs
never; and 500 runs are listed in a few seconds."""
ASK_AGAIN_AFTER = timedelta(seconds=10)
"""When a caller may ask again after a 503: a host starts within that time."""
HEALTH_WITHIN, HEALTH_READ_WITHIN = timedelta(seconds=2.5), timedelta(seconds=1)
"""How long `/health` waits for the round trip, and for a read beside it: probes give up after five seconds."""
HEALTH_KEPT = timedelta(seconds=10)
"""How long an answer about the engine's health holds, so that many probes cost no more than one."""
TERMINATION_WITHIN = timedelta(minutes=5)
"""How long the engine may take to end a drill that is left, before the failover that waits for its VMs gives up."""
GATHERED_AT_LEAST, HANDED_OVER_EVERY = timedelta(seconds=10), timedelta(minutes=5)
"""How long refusals and reads of evidence are gathered after the first, and between two entries of the log for them: a
process that dies loses seconds in quiet times, and no flood makes more than twelve entries an hour."""
