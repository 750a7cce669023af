"""Builds the app and registers its blueprints; decides nothing."""

import azure.durable_functions as df
import azure.functions as func

from activities.register import blueprint as activities
from orchestrators.registry import blueprint as runbooks
from triggers import (
    decisions,
    declarations,
    events,
    evidence,
    mirrors,
    nodes,
    onboarding,
    operations,
    preparation,
    readiness,
    timers,
    verbs,
)

app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)
for blueprint in (
    declarations.bp,
    decisions.bp,
    verbs.bp,
    operations.bp,
    readiness.bp,
    events.bp,
    evidence.bp,
    mirrors.bp,
    nodes.bp,
    onboarding.bp,
    preparation.bp,
    timers.bp,
    runbooks(),
    activities(),
):
    app.register_functions(blueprint)
