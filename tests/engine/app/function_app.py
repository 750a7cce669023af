"""The runbooks as an app of its own, which any host of functions can run."""

import json

import azure.durable_functions as df
import azure.functions as func

from tests.engine import runbooks

app = runbooks.function_app()


@app.route("waits-for-a-run", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@app.durable_client_input(client_name="client")
def wait_for_a_run(req: func.HttpRequest, client: df.SyncDurableFunctionsClient) -> func.HttpResponse:
    """No coroutine, and it waits: on the engine's own loop the run would never get its turn."""
    run = client.schedule_new_orchestration("sequence", input=["blocking"])
    state = client.wait_for_orchestration_completion(run, timeout=240)
    return func.HttpResponse(json.dumps(state.get_output()[0] if state else None), mimetype="application/json")


CLIENT_FIELDS = (
    "taskHubName",
    "rpcBaseUrl",
    "httpBaseUrl",
    "requiredQueryStringParameters",
    "maxGrpcMessageSizeInBytes",
)


@app.route("client", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@app.durable_client_input(client_name="client")
async def show_client(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """What the durable client binding was given, for a client outside of the app."""
    return func.HttpResponse(json.dumps({name: getattr(client, name) for name in CLIENT_FIELDS}))
