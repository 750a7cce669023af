"""The timer that does what is due."""

import os

import azure.durable_functions as df
import azure.functions as func

from activities.durable_runs import schedule_own
from activities.durable_state import is_run_living
from shared.operations.durable_names import RECONCILE
from shared.telemetry.spans import start_span
from triggers.timer_schedule import EVERY_FIVE_MINUTES, SETTING

bp = df.Blueprint()
SCHEDULE = f"%{SETTING}%" if os.environ.get(SETTING) else EVERY_FIVE_MINUTES
"""The host puts the setting in; a name that is not set would keep it from loading the timer."""


@bp.function_name("reconcile_timer")
@bp.timer_trigger(schedule=SCHEDULE, arg_name="timer", run_on_startup=False, use_monitor=True)
@bp.durable_client_input(client_name="client")
async def reconcile_timer(timer: func.TimerRequest, client: df.DurableFunctionsClient) -> None:
    """Start the reconciliation, one at a time: one that still runs will see what is due as well."""
    with start_span("reconcile_timer"):
        if not await is_run_living(client, RECONCILE):
            await schedule_own(client, RECONCILE, RECONCILE, {})
