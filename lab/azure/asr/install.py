"""Put Site Recovery together: importing this registers its routes, what its jobs do, and what is due in time."""

from lab.azure.asr import (  # noqa: F401 - imported for what they register
    audit,
    discovery,
    drills,
    events,
    fabrics,
    failbacks,
    failovers,
    items,
    job_routes,
    machines,
    plan_runs,
    plan_verbs,
    plans,
    points,
    policies,
    protection,
    providers,
    results,
    vault,
    verbs,
)
from lab.azure.asr.common import SITE_RECOVERY
from lab.azure.lab import Lab

PROVIDER = SITE_RECOVERY


def install(lab: Lab) -> None:
    """Hook Site Recovery onto a lab: nodes that register or go away."""
    lab.on_registered += [providers.register, discovery.tell]
    lab.on_disconnect.append(providers.lose)
