"""An app with one function of each kind, and orchestrations that use all of the engine."""

import json
import os
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from typing import Any

import azure.durable_functions as df
import azure.functions as func
from durabletask import entities, task

app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)
more = df.Blueprint()

type Steps = Generator[task.Task[Any], Any, Any]


def note(line: str) -> None:
    """Leave a line where a test can read it, in whatever process this runs."""
    with Path(os.environ["DEMO_NOTES"]).open("a") as notes:
        notes.write(f"{line}\n")


@app.route("start/{name}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Start any orchestration."""
    body = json.loads(req.get_body() or b"null")
    run = await client.schedule_new_orchestration(
        req.route_params["name"], input=body, instance_id=req.params.get("id")
    )
    return client.create_check_status_response(req, run)


@app.route("echo/{number:int}/{word?}", methods=["GET", "PUT"], auth_level=func.AuthLevel.ANONYMOUS)
def echo(req: func.HttpRequest) -> func.HttpResponse:
    """Say what was heard."""
    heard = {
        "number": req.route_params["number"],
        "word": req.route_params.get("word"),
        "query": dict(req.params),
        "size": len(req.get_body()),
        "principal": req.headers.get("X-MS-CLIENT-PRINCIPAL-NAME"),
    }
    return func.HttpResponse(json.dumps(heard), mimetype="application/json", headers={"X-Heard": "yes"})


@app.route("broken", auth_level=func.AuthLevel.ANONYMOUS)
def broken(req: func.HttpRequest) -> func.HttpResponse:
    """Fail."""
    raise KeyError("nothing here")


@app.route("count/{name}", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@app.durable_client_input(client_name="client")
def count(req: func.HttpRequest, client: df.SyncDurableFunctionsClient) -> str:
    """Signal an entity, from a function that is no coroutine."""
    client.signal_entity(entities.EntityInstanceId("counter", req.route_params["name"]), "add", input=1)
    return "counted"


@app.timer_trigger(arg_name="timer", schedule="%DEMO_SCHEDULE%")
def every_five_minutes(timer: func.TimerRequest) -> None:
    """Note when it ran."""
    status = timer.schedule_status  # type: ignore[attr-defined] # the converter's own class has it
    note(f"timer {status['Next']} past_due={timer.past_due}")


@app.event_grid_trigger(arg_name="event")
@app.durable_client_input(client_name="client")
async def on_event(event: func.EventGridEvent, client: df.DurableFunctionsClient) -> None:
    """Start an orchestration for an event."""
    if event.subject == "broken":
        raise ValueError("cannot take this one")
    await client.schedule_new_orchestration("greet", input=event.subject, instance_id=f"event-{event.id}")


@more.orchestration_trigger(context_name="context")
def greet(ctx: task.OrchestrationContext, name: str) -> Steps:
    """One activity."""
    return (yield ctx.call_activity("say", input={"hello": name}))


@more.activity_trigger(input_name="words")
def say(words: dict) -> str:  # type: ignore[type-arg] # the worker loads no richer annotation
    """Answer in words, and note that it ran."""
    note(f"say {json.dumps(words)}")
    return " ".join(f"{key} {value}" for key, value in words.items())


@more.orchestration_trigger(context_name="context")
def steps(ctx: task.OrchestrationContext, count: int) -> Steps:
    """So many activities, one after the other, with a timer after each."""
    said = []
    for number in range(count):
        said.append((yield ctx.call_activity("say", input={"step": number})))
        yield ctx.create_timer(timedelta(seconds=30))
    return said


@more.orchestration_trigger(context_name="context")
def fan_out(ctx: task.OrchestrationContext, count: int) -> Steps:
    """So many activities at once."""
    results = yield task.when_all([ctx.call_activity("double", input=number) for number in range(count)])
    return sum(results)


@more.orchestration_trigger(context_name="context")
def listen(ctx: task.OrchestrationContext, _nothing: None) -> Steps:
    """Wait for an event."""
    return (yield ctx.wait_for_external_event("word"))


@more.orchestration_trigger(context_name="context")
def fail_once(ctx: task.OrchestrationContext, key: str) -> Steps:
    """Fail as long as nobody has left a file of this name."""
    return (yield ctx.call_activity("require", input=key))


@more.activity_trigger(input_name="key")
def require(key: str) -> str:
    """Fail if there is no such file."""
    return Path(key).read_text()


@more.orchestration_trigger(context_name="context")
def ask_about(ctx: task.OrchestrationContext, run: str) -> Steps:
    """What another run is."""
    return (yield ctx.call_activity("look_up", input=run))


@more.orchestration_trigger(context_name="context")  # type: ignore[arg-type] # the SDK's older, one-argument style
def ping(context: df.DurableOrchestrationContext) -> Steps:
    """Call an address, with the SDK's own HTTP activity."""
    answer = yield context.call_http("GET", str(context.get_input()))
    return answer.status_code


@more.activity_trigger(input_name="run")
@more.durable_client_input(client_name="client")
async def look_up(run: str, client: df.DurableFunctionsClient) -> str:
    """An activity with a durable client."""
    state = await client.get_orchestration_state(run)
    return "nothing" if state is None else state.name


@more.entity_trigger(context_name="context", entity_name="Counter")
def counter(ctx: entities.EntityContext, by: int) -> int:
    """A number that grows."""
    total = ctx.get_state(int, 0) + by
    ctx.set_state(total)
    return total


@more.activity_trigger(input_name="number")
async def double(number: int) -> int:
    """An activity that is a coroutine."""
    return number * 2


app.register_functions(more)
