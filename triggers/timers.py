"""The timer that looks after what is due."""

import azure.durable_functions as df
import azure.functions as func

from activities.durable_runs import LIVING

bp = df.Blueprint()
RUN = "reconcile"


@bp.timer_trigger(schedule="%RECONCILE_SCHEDULE%", arg_name="timer", run_on_startup=False, use_monitor=True)
@bp.durable_client_input(client_name="client")
async def reconcile_timer(timer: func.TimerRequest, client: df.DurableFunctionsClient) -> None:
    """Start the reconciliation, one at a time: one that still runs will see what is due as well."""
    state = await client.get_orchestration_state(RUN, fetch_payloads=False)
    if state is None or state.runtime_status not in LIVING:
        await client.schedule_new_orchestration("reconcile", input={}, instance_id=RUN)
