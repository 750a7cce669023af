"""How long leases last, how often the timer tries again what is owed, and how often it reminds of it."""

from datetime import timedelta

LEASE_TERM = timedelta(hours=24)
"""The backstop. A run that lives prolongs its leases long before, and they are free as soon as it has ended."""
ATTEMPT_SOONEST, ATTEMPT_LATEST = timedelta(minutes=4), timedelta(hours=1)
"""Between two attempts: at each look of the timer at first, then twice as long each time, up to the second."""
CLEANUP_LATEST = timedelta(days=1)
"""Between two cleanups at the most: each is a run with evidence of its own, and some leftovers stay for long."""
LEASE_FORGOTTEN_AFTER = timedelta(days=30)
"""Of a lease that ran out: a run that lives again after its storage was away for days still finds what it holds."""
REMIND_EVERY = timedelta(days=1)
"""Between two events of one obligation that is late."""
STILL_WRITES_FOR = timedelta(minutes=10)
"""After a run was seen to be lost: an activity may be at work for as long as `functionTimeout` in host.json says."""
LOST_HOOKS_TIDIED_WITHIN = timedelta(days=1)
"""Of a lost run: so long it is tried to remove what its hooks left in Azure before its evidence is sealed."""
PROLONG_EVERY = timedelta(hours=6)
"""Leases are prolonged: a quarter of their term, so that two renewals may fail to come and the lease still stands."""
DELIVERY_PAUSES = (*(timedelta(minutes=m) for m in (1, 5, 10, 30)), *[timedelta(hours=1)] * 23)
"""Between the tries of an event that is not taken: for a day in all."""
SEAL_PATIENCE = timedelta(days=1)
"""How long a run waits, at the seams of its generations, for the key by which the app knows what it has sent itself."""
OPERATION_BEGINS_WITHIN = timedelta(days=1)
"""After it was asked for: a failover that nobody expects any more does not begin when an engine is back after days."""
BEGINS_WITHIN = timedelta(hours=1)
"""A short run that a request waits for begins in seconds; one that somebody sends again later is done no more."""
RECORD_PAUSES = (*(timedelta(minutes=m) for m in (1, 5, 15, 30, 60)), *[timedelta(hours=4)] * 84)
"""Between the tries of acts of administration that the evidence store does not take: for two weeks in all."""
