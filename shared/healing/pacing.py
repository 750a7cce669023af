"""How long healing waits for what, and how often it looks meanwhile."""

from datetime import timedelta

SCRIPT_EVERY = timedelta(seconds=20)
"""Between two reads of a run command: the quickest ones take about half a minute."""
SCRIPT_WITHIN = timedelta(minutes=20)
"""A run command that has not ended by then counts as silent: twice the time that Azure gives a script."""

NODE_EVERY = timedelta(seconds=30)
"""Between two reads of a node whose extension is on its way, or whose registration is to be proven."""
SETTLED_WITHIN = timedelta(minutes=20)
"""For an extension that somebody else installs or removes; one that takes longer is stuck."""
TAKEN_WITHIN = timedelta(minutes=10)
"""How long a removal or an installation is asked for again that Azure does not take now."""
GONE_WITHIN = timedelta(minutes=20)
"""For the extension to be uninstalled."""
BACK_WITHIN = timedelta(minutes=12)
"""For the extension to come back, by Sync-AzureStackHci or installed anew: the vendor names 10 minutes (assumed)."""
PROVEN_WITHIN = timedelta(minutes=15)
"""For extension, registry, service and provider to agree once the extension is back."""
REGISTRATION_EVERY = timedelta(minutes=3)
"""Between two runs of the script that reads the registration: each is a run command of its own."""
POINT_EVERY, POINT_WITHIN = timedelta(minutes=1), timedelta(hours=2)
"""For a new recovery point of one of the node's machines; replication is every 5 minutes at the slowest."""
CLUSTER_EVERY, CLUSTER_WITHIN = timedelta(minutes=10), timedelta(hours=24)
"""For the other nodes of the cluster that are being healed: each takes its turn."""

SHORTEST_REPAIR = timedelta(minutes=3)
"""Less than any repair takes: a run that has n before it need not look again before n - 1 of these."""
TURN_SOONEST, TURN_LATEST = timedelta(seconds=30), timedelta(minutes=10)
"""Between two looks at the queue, whatever its length."""
FREE_EVERY, FREE_WITHIN = timedelta(minutes=2), timedelta(minutes=30)
"""For the cluster and the node's machines to be held by no other run; after that the repair is deferred."""
LOCKS_BACK_WITHIN = timedelta(hours=2)
"""When locks that were taken off count as late."""
LOG_REACHES_BACK = timedelta(hours=1)
"""How much older than its event the Activity Log's entry of a failure may be."""
LOOKS_PER_GENERATION = 15
"""Before a run that waits continues as new: each look replays those before it."""

FINDING_STANDS = timedelta(minutes=10)
"""A node that needs a person is not repaired again for every event of a storm."""
DEFERRED_FOR, DEFERRED_AT_MOST = timedelta(minutes=30), timedelta(days=1)
"""Before a repair that could not begin is tried again; twice as long each time, up to the longest."""
DEFERRALS_UNTOLD = 2
"""In a row, before a person is asked to see to what keeps the repairs of a node from beginning."""
LOOK_AGAIN_AFTER, LOOK_AGAIN_AT_MOST = timedelta(hours=1), timedelta(days=1)
"""Before a node is looked at again whose cause a person cures outside; twice as long each time, up to the longest."""
PAUSE_FACTOR = 4
"""Each pause after a failed attempt is so many times as long as the one before; the site declares the first."""
PAUSE_AT_MOST = timedelta(days=7)
"""Before a repair is tried again; a site that declares a longer first pause has that one each time."""
