"""How often a run looks at what, and how long it waits for whom: all of its waits, each with its reason."""

from datetime import timedelta

SOON, LATER = timedelta(seconds=10), timedelta(seconds=30)
"""Until the next look: while something is fresh or about to end; and else, or before what was busy is tried again."""
VIEW_STAYS_FRESH = timedelta(minutes=2)
"""How long what was read of an item counts while the machine that it waits for is probed."""
WHILE_UNDECIDED = timedelta(hours=6)
"""While only a person can say how to go on; the decision itself wakes the run."""
WHILE_PAUSED = timedelta(minutes=5)
"""While all that is open are jobs that wait for a person, who may also resume them elsewhere."""
ADDRESS_READ_WITHIN = timedelta(minutes=10)
"""How long the address of a machine that asked for one, and has no probes, is waited for."""
STEADY_PACE = timedelta(seconds=15)
"""Between two looks at many open items: of so many something ends all the time, and this costs each item little."""
NEARLY, OVERDUE = 0.8, 1.4
"""Of the usual time of a job: in between it may end any moment, and what waits for it should not wait for us."""
GATE_EVERY = timedelta(minutes=10)
"""Before a guarded stage begins: until the next look whether anything stands in its way, which asks every node."""
LOOK_FOR_DRILL_EVERY = timedelta(seconds=30)
"""While a drill makes way for a failover, which waits for little else."""
TRY_HOOK_EVERY, LONGEST_HOOK_PAUSE = timedelta(seconds=30), timedelta(hours=6)
"""Between two tries of a hook: rarer the longer it takes, because a history holds every one of them."""
HOOK_TIDIED_WITHIN = timedelta(minutes=5)
"""For removing what a hook leaves in Azure: the run waits for it and does not need it."""
RESOURCES_READ_WITHIN = timedelta(minutes=2)
"""For what belongs to machines in Azure, before a commit gives them up: longer nobody should wait for a commit."""
LOOK_FOR_LEFTOVERS_EVERY, LEFTOVERS_VANISH_WITHIN = timedelta(seconds=30), timedelta(minutes=3)
"""What a cleanup or a commit removes may be listed a little longer."""
COMMIT_WITHIN = timedelta(days=1)
"""A move is not final before its commit, and until then its recovery points cost money."""
HOME_WITHIN = timedelta(days=14)
"""What runs in Azure is not protected."""
LEFTOVERS_REMOVED_WITHIN = timedelta(days=14)
"""Cards, disks and addresses cost money and hurt nobody."""
SOURCES_PROVEN_WITHIN = timedelta(days=2)
"""After an unplanned failover the nodes may take that long to be back."""
RECHECK_SOURCES_EVERY = timedelta(hours=1)
"""Machines that were proven off may be turned on by anybody."""
REPROTECTED_WITHIN = timedelta(days=3)
"""A resynchronisation takes as long as the line needs."""
WATCH_MIRROR_EVERY, MIRROR_WRITTEN_WITHIN = timedelta(seconds=5), timedelta(minutes=30)
"""For the job that writes a recovery plan: it takes seconds."""
READ_PATIENCE, RETRY_READ_EVERY = timedelta(minutes=20), timedelta(seconds=30)
"""How long a read is worth waiting for, and how often it is tried meanwhile: a vault that throttles is back by then."""
STORE_AWAITED_AT_BEGIN = timedelta(minutes=3)
"""Before a run that requires evidence is refused: a store that restarts is back by then, and nothing has begun."""
STORE_AWAITED_FOR = timedelta(minutes=10)
"""How long a run that is over, and holds nothing any more, waits for the evidence store before it ends without it."""
