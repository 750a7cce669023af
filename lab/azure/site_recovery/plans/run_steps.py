"""The groups of a plan's run: what is to be done in them, and in which order.

A run keeps `groups`, each {"type", "title", "began", "ended", "children"}, and `todo`, the steps that are left, each
{"group", "do", "children"}: the children that are done at once. Children are machines and actions.
"""

from collections.abc import Iterable, Sequence

from lab.azure.simulator.answers import Json

BOOTING = frozenset({"TestFailover", "PlannedFailover", "UnplannedFailover", "Failback"})
"""Operations that start machines, and so keep the order of the groups.

Inferred: recorded failovers of plans of two machines took twice as long as those of one (planned 753 s to 380 s,
unplanned 697 s to 331 s); recorded test failovers of plans were quicker than that (619 to 1036 s to 609 s).
"""

_TITLES = {"Shutdown": "All groups shutdown", "Failover": "All groups failover"}


def groups_of(plan: Json, members: Sequence[Json], operation: str, way: str) -> list[Json]:
    """The groups of a run with the machines and the actions that the operation concerns.

    What starts no machine moves them all at once, in the Failover group (inferred).
    """
    titles = iter(range(1, len(plan["groups"]) + 1))
    groups = []
    for group in plan["groups"]:
        named = {entry["id"].lower() for entry in group["replicationProtectedItems"]}
        if operation not in BOOTING:
            named = {item["id"].lower() for item in members} if group["groupType"] == "Failover" else set()
        title = _TITLES.get(group["groupType"]) or f"Group {next(titles)}"
        children = [*_actions_for(group["startGroupActions"], operation, way)]
        children += [_machine_child(item) for item in members if item["id"].lower() in named]
        children += [*_actions_for(group["endGroupActions"], operation, way)]
        groups.append({"type": group["groupType"], "title": title, "children": children} | _not_begun())
    return groups


def steps_of(groups: Sequence[Json], *, shuts_down: bool) -> list[Json]:
    """What is to be done, in order: the actions of a group one by one, its machines at once."""
    steps: list[Json] = []
    for at, group in enumerate(groups):
        machines = [index for index, child in enumerate(group["children"]) if "item" in child]
        doing: list[Json] = [
            {"group": at, "do": "action", "children": [index]}
            for index, child in enumerate(group["children"])
            if "action" in child
        ]
        before = sum(1 for step in doing if not machines or step["children"][0] < machines[0])
        move = {"group": at, "do": "machines", "children": machines}
        if group["type"] == "Shutdown" and shuts_down:
            move["do"] = "shutdown"
        steps += [*doing[:before], move, *doing[before:]]
    return steps


def _actions_for(actions: Iterable[Json], operation: str, way: str) -> Iterable[Json]:
    for action in actions:
        if operation in action["failoverTypes"] and way in (action["failoverDirections"] or ["PrimaryToRecovery"]):
            yield {"action": action, "id": action["actionName"], "title": action["actionName"]} | _not_begun()


def _machine_child(item: Json) -> Json:
    facts = {"item": item["id"], "id": item["vmId"], "title": item["friendlyName"], "job": None}
    return facts | _not_begun()


def _not_begun() -> Json:
    return {"state": None, "began": None, "ended": None, "errors": []}


def begin_step(job: Json, now: str) -> Json:
    """Take the next step of a run; gives it."""
    step: Json = job["todo"].pop(0)
    job["doing"] = step
    group = job["groups"][step["group"]]
    for each in (group, *children_of(job, step)):
        each |= {"began": each["began"] or now, "state": "InProgress"}
    return step


def end_step(job: Json, now: str) -> None:
    """Say that the step that was taken is done, and its group too if nothing is left to do in it."""
    step, job["doing"] = job.get("doing"), None
    if step is None:
        return
    for child in children_of(job, step):
        if child["state"] == "InProgress":
            child |= {"state": "Succeeded", "ended": now}
    if not any(left["group"] == step["group"] for left in job["todo"]):
        group = job["groups"][step["group"]]
        group |= {"state": worst_of(child["state"] for child in group["children"]), "ended": now}


def skip_rest(job: Json) -> None:
    """Begin nothing more of a run: what is left to do is skipped."""
    for step in job["todo"]:
        for child in children_of(job, step):
            child["state"] = "Other"
    job["todo"] = []


def children_of(job: Json, step: Json) -> list[Json]:
    """The machines or the action that a step is about."""
    children = job["groups"][step["group"]]["children"]
    return [children[index] for index in step["children"]]


def machines_of(job: Json) -> list[Json]:
    """All machines of a run, in the order of their groups."""
    return [child for group in job["groups"] for child in group["children"] if "item" in child]


def actions_of(job: Json) -> list[Json]:
    """All actions of a run, in the order of their groups."""
    return [child for group in job["groups"] for child in group["children"] if "action" in child]


def worst_of(states: Iterable[str]) -> str:
    """What the ends of several make together: all failed is Failed, some PartiallySucceeded (inferred)."""
    ended = [state == "Succeeded" for state in states]
    return "Succeeded" if all(ended) else "PartiallySucceeded" if any(ended) else "Failed"


def stop_groups(job: Json, now: str) -> None:
    """Mark what has not ended when a run is cancelled: as cancelled, or as skipped if it had not begun."""
    for group in job["groups"]:
        for each in (group, *group["children"]):
            if each["state"] == "InProgress":
                each |= {"state": "Cancelled", "ended": now}
            elif each["state"] is None:
                each["state"] = "Other"
