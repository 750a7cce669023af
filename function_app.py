"""Builds the app and registers its blueprints; decides nothing."""

import azure.durable_functions as df

from activities.bindings import activity_blueprint as activities
from orchestrators.registry import build_blueprint as runbooks
from triggers import (
    abort_all,
    administration,
    api_description,
    approval_policies,
    azure_events,
    decisions,
    declarations,
    evidence,
    health,
    holds,
    lost_nodes,
    nodes,
    notification_rules,
    obligations,
    operations,
    portfolio,
    readiness,
    recovery_plans,
    sites,
    timers,
    ui,
    verbs,
)
from triggers.http_endpoint import authorization_level
from triggers.worker_defaults import apply_worker_defaults

apply_worker_defaults()
app = df.DFApp(http_auth_level=authorization_level())
for blueprint in (
    abort_all.bp,
    administration.bp,
    api_description.bp,
    approval_policies.bp,
    declarations.bp,
    decisions.bp,
    verbs.bp,
    operations.bp,
    portfolio.bp,
    readiness.bp,
    azure_events.bp,
    evidence.bp,
    health.bp,
    holds.bp,
    lost_nodes.bp,
    recovery_plans.bp,
    nodes.bp,
    notification_rules.bp,
    obligations.bp,
    sites.bp,
    timers.bp,
    ui.bp,
    runbooks(),
    activities(),
):
    app.register_functions(blueprint)
api_description.DESCRIPTION.app = app
