"""How long onboarding waits for what, and how often it looks meanwhile."""

from datetime import timedelta

RESOURCE_EVERY, RESOURCE_WITHIN = timedelta(seconds=15), timedelta(minutes=15)
"""For a resource to be provisioned, and for the vault's job that makes a site, a policy or their association."""
REGISTERED_WITHIN = timedelta(minutes=15)
"""For every node to be Connected with a fresh heartbeat, once its extension is there."""
MOST_SILENCES, SILENCE_PAUSE = 15, timedelta(minutes=2)
"""How often a step is done once more when Azure does not answer, each after such a pause."""

NODE_EVERY = timedelta(seconds=20)
"""Between two reads of a node while its extension is being installed."""
INSTALLED_WITHIN = timedelta(minutes=30)
"""For the extension of a node to come to an end, good or bad."""
WAIT_EVERY = timedelta(minutes=1)
"""Between two looks at another run: the one that has the cluster's turn, or a repair that this one started."""
TURN_WITHIN, REPAIRED_WITHIN = timedelta(hours=3), timedelta(hours=3)
"""For the cluster's turn, and for one repair: longer than any of them takes."""

MOST_READS, READ_PAUSE = 15, timedelta(minutes=1)
"""How often a run on the site's VMs tries to read what there is, each after such a pause."""
TICKS_PER_GENERATION = 15
"""Before such a run continues as new: each tick replays those before it."""
ROLE_TAKES_EFFECT_WITHIN = timedelta(minutes=10)
"""Of a new role assignment (documented): a node that was refused by the vault is not followed by another one before."""
