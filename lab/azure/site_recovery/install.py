"""Put Site Recovery together: importing this registers its routes, what its jobs do, and what is due in time."""

from lab.azure.simulator.lab import Lab
from lab.azure.site_recovery import events, vault
from lab.azure.site_recovery.api.common import SITE_RECOVERY
from lab.azure.site_recovery.items import host_connection, item_routes, item_settings, protection, recovery_points
from lab.azure.site_recovery.jobs import job_activity, job_routes
from lab.azure.site_recovery.plans import plan_runs, plan_verbs, plans
from lab.azure.site_recovery.sites import discovery, fabrics, policies, providers, source_machines
from lab.azure.site_recovery.verbs import failbacks, failovers, test_failovers, verbs

PROVIDER = SITE_RECOVERY
REGISTERED_BY_IMPORT = (
    events,
    failbacks,
    failovers,
    fabrics,
    item_routes,
    item_settings,
    job_activity,
    job_routes,
    plan_runs,
    plan_verbs,
    plans,
    policies,
    protection,
    providers,
    recovery_points,
    source_machines,
    test_failovers,
    vault,
    verbs,
)


def install_hooks(lab: Lab) -> None:
    """Hook Site Recovery onto a lab: nodes that register, go away or lose their agent."""
    lab.on_registered += [host_connection.register_host, discovery.discover_machines]
    lab.on_disconnect.append(host_connection.disconnect_host)
    lab.on_uninstalled.append(host_connection.remove_host)
