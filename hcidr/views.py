"""How answers look on a terminal: tables, and what a run says of itself."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

BAD = frozenset({"failed", "blocked", "critical", "red", "unprotected", "refused", "unknown"})
WAITING = frozenset({"waiting", "paused", "warning", "amber", "unprepared", "aborted"})
GOOD = frozenset({"succeeded", "done", "healthy", "green", "ready", "ok"})


def plain(text: Any) -> str:
    """As it may stand on a terminal: whoever named a VM or wrote a comment moves no cursor."""
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in str("" if text is None else text))


def coloured(state: Any) -> Text:
    """A state in its colour; the word says it as well."""
    word = plain(state)
    style = "red" if word in BAD else "yellow" if word in WAITING else "green" if word in GOOD else ""
    return Text(word, style=style)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """A table; what is no text yet is shown as plain text."""
    made = Table(title=title, title_justify="left", title_style="bold", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold", no_wrap=column in {"RUN", "ID"})  # these are copied
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text(plain(cell)) for cell in row))
    return made


def short_time(text: Any) -> str:
    """A moment in UTC, to the minute; empty for none."""
    if not text:
        return ""
    return datetime.fromisoformat(str(text)).astimezone(UTC).strftime("%Y-%m-%d %H:%MZ")


SPAN = re.compile(r"P(?:(?P<d>\d+)D)?(?:T(?:(?P<h>\d+)H)?(?:(?P<min>\d+)M)?(?:(?P<s>\d+)(?:\.\d+)?S)?)?")


def short_span(text: Any) -> str:
    """A span as the API writes it, ISO 8601, for people: the two largest units of it."""
    found = SPAN.fullmatch(str(text or ""))
    if not found:
        return plain(text)
    parts = [f"{int(value)} {unit}" for unit, value in found.groupdict().items() if value and int(value)]
    return " ".join(parts[:2]) or "0 s"


def progress_of(run: Mapping[str, Any]) -> str:
    """How far a run is."""
    progress = run.get("progress") or {}
    return f"{progress['completed']}/{progress['total']}" if progress.get("total") else ""


def subject_of(run: Mapping[str, Any]) -> str:
    """What a run is about."""
    return plain(next((run[name] for name in ("plan", "site", "node", "subject") if run.get(name)), ""))


def sites_table(sites: Iterable[Mapping[str, Any]]) -> Table:
    """Every site with its health."""

    def row(site: Mapping[str, Any]) -> list[Any]:
        health = site.get("health", {})
        unprotected = health.get("unprotected")
        count = len(unprotected) if isinstance(unprotected, list) else (unprotected or {}).get("count", "")
        held = "held" if site.get("holds") else ""
        return [site["name"], coloured(health.get("state")), count, held, health.get("detail") or ""]

    return table("Sites", ["SITE", "STATE", "UNPROTECTED", "HOLD", "DETAIL"], map(row, sites))


def plans_table(plans: Iterable[Mapping[str, Any]]) -> Table:
    """Every plan with its next drill."""

    def row(plan: Mapping[str, Any]) -> list[Any]:
        drill = plan.get("nextDrill") or {}
        when = short_time(drill.get("at")) or drill.get("reason", "")
        return [plan["name"], len(plan.get("items", ())), plan.get("commit", ""), when, plan.get("version", "")]

    return table("Plans", ["PLAN", "VMS", "COMMIT", "NEXT DRILL", "VERSION"], map(row, plans))


def documents_table(documents: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> Table:
    """What is declared, with some of its fields."""

    def row(document: Mapping[str, Any]) -> list[Any]:
        return [_field_text(document.get(column)) for column in columns]

    return table("Declared", [column.upper() for column in columns], map(row, documents))


def _field_text(value: Any) -> str:
    """A field in a few words."""
    if isinstance(value, Mapping):
        return "; ".join(f"{name} {_field_text(one)}" for name, one in value.items() if one)
    if isinstance(value, list):
        return ", ".join(_field_text(one) for one in value)
    return "" if value is None else str(value)


def portfolio_table(plans: Iterable[Mapping[str, Any]]) -> Table:
    """Every plan with what was rehearsed, and what it would take."""

    def row(plan: Mapping[str, Any]) -> list[Any]:
        drill = f"{short_time(plan['lastGoodDrillAt'])} {'ok' if plan['isRehearsed'] else 'too long ago'}"
        targets = [_target_text(plan[name]) for name in ("rto", "rpo")]
        owed = f"{plan['openObligations']}, {plan['lateObligations']} late" if plan["openObligations"] else ""
        return [plan["plan"], plan["vms"], drill if plan["lastGoodDrillAt"] else "never", *targets, owed]

    return table("Portfolio", ["PLAN", "VMS", "LAST GOOD DRILL", "RTO", "RPO", "OWED"], map(row, plans))


def _target_text(target: Mapping[str, Any]) -> str:
    achieved = short_span(target["achieved"]) if target["achieved"] else ""
    judged = {True: "met", False: "MISSED", None: ""}[target["met"]]
    return " ".join(filter(None, (achieved, f"of {short_span(target['target'])}" if target["target"] else "", judged)))


def runs_table(title: str, runs: Iterable[Mapping[str, Any]]) -> Table:
    """Runs, each with what it waits for."""

    def row(run: Mapping[str, Any]) -> list[Any]:
        waits = run.get("waitingForText") or ""
        place = [run["id"], run["kind"], subject_of(run), coloured(run["state"]), run.get("phase", "")]
        return [*place, progress_of(run), run.get("requestedBy", ""), waits]

    return table(title, ["RUN", "KIND", "ABOUT", "STATE", "PHASE", "DONE", "BY", "WAITS FOR"], map(row, runs))


def owed_table(owed: Iterable[Mapping[str, Any]]) -> Table:
    """What is owed, and what settles it."""

    def row(one: Mapping[str, Any]) -> list[Any]:
        vms = ", ".join(one.get("vms", ()))
        return [
            one.get("id", ""),
            one["kind"],
            one.get("plan", ""),
            vms,
            short_time(one.get("due")),
            one.get("remedy", ""),
        ]

    return table("Owed", ["ID", "WHAT", "PLAN", "VMS", "DUE", "WHAT SETTLES IT"], map(row, owed))


def preview_view(preview: Mapping[str, Any]) -> RenderableType:
    """What a verb would do, and what is in its way."""
    parts: list[RenderableType] = [Text(f"{preview['kind']} of {plain(preview.get('plan'))}", style="bold")]
    parts += [Text(f"  {number}. {plain(', '.join(wave))}") for number, wave in enumerate(preview.get("order", ()), 1)]
    for title, name, style in (
        ("In the way", "blockers", "red"),
        ("Not ready", "concerns", "yellow"),
        ("Worth knowing", "warnings", ""),
        ("Left out", "leftOut", ""),
    ):
        parts += [Text(f"{title}: {_with_subject(one)}", style) for one in preview.get(name) or ()]
    parts += [Text(f"Cannot be undone: {plain(line)}", style="red") for line in preview.get("irreversible", ())]
    parts += [
        Text(f"Needs {rule['count']} approval(s) for the {plain(rule['source'])}", style="yellow")
        for rule in preview.get("requiredApprovals", ())
    ]
    if preview.get("expectedDuration"):
        parts.append(Text(f"Takes about {short_span(preview['expectedDuration'])}"))
    return Group(*parts)


def _with_subject(obstacle: Mapping[str, Any]) -> str:
    """What is in the way, beginning with what it is about, once."""
    about, detail = plain(obstacle.get("vm") or obstacle.get("subject")), plain(obstacle["detail"])
    return detail if detail.startswith(about) else f"{about}: {detail}"


def run_view(run: Mapping[str, Any]) -> RenderableType:
    """A run: where it stands, each VM with those that failed first, and what to do next."""
    head = Text.assemble((plain(run["id"]), "bold"), "  ", coloured(run["state"]), f"  {plain(run.get('phase'))}")
    if done := progress_of(run):
        head.append(f"  {done}")
    if run.get("expectedEnd"):
        head.append(f"  until about {short_time(run['expectedEnd'])}")
    parts: list[RenderableType] = [head]
    if run.get("waitingForText"):
        parts.append(Text(plain(run["waitingForText"]), style="yellow"))
    items = sorted(run.get("items", ()), key=lambda item: (item.get("state") not in BAD, plain(item.get("vm"))))
    if items:
        rows = [
            [item.get("vm"), coloured(item.get("state")), item.get("privateIp"), item.get("detail")] for item in items
        ]
        parts.append(table("", ["VM", "STATE", "ADDRESS", "DETAIL"], rows))
    return Group(*parts)


def end_view(run: Mapping[str, Any]) -> RenderableType:
    """How a run ended: the result, all errors once more, and the next commands."""
    parts: list[RenderableType] = [Text(plain(run.get("summary") or run["state"]), style="bold")]
    for name in ("obstacles", "failures"):
        for one in run.get(name) or ():
            about = one.get("vm") or one.get("subject") or one.get("node") or ""
            said = ": ".join(plain(part) for part in (about, one.get("detail"), one.get("remedy")) if part)
            parts.append(Text(f"  {said} [{plain(one.get('code'))}]", style="red"))
    parts += [Text(f"  then: {line}") for line in next_commands(run)]
    return Group(*parts)


def next_commands(run: Mapping[str, Any]) -> list[str]:
    """What a person can do now, as commands."""
    lines = []
    for step in run.get("nextSteps", ()):
        why = plain(step.get("why"))
        command = command_for(run, step)
        lines.append(f"{command}   {why}" if why else command)
    return lines


DECISIONS = frozenset({"approve", "reject", "retry", "skip", "resume", "abort"})


def command_for(run: Mapping[str, Any], step: Mapping[str, Any]) -> str:
    """The command that does what a next step says; its route where there is none."""
    verb, route = plain(step.get("verb")), plain(step.get("route"))
    if verb in DECISIONS and "/operations/" in route:
        return f"hcidr {verb} {plain(run['id'])}"
    if "/plans/" in route and route.startswith("POST "):
        plan = route.partition("/plans/")[2].partition("/")[0]
        return f"hcidr {verb} {plan}"
    return route or verb


def acts_table(acts: Iterable[Mapping[str, Any]]) -> Table:
    """Acts of administration, with what is known of each in a line."""

    def row(act: Mapping[str, Any]) -> list[Any]:
        times = f" x {act['count']}" if act["count"] > 1 else ""
        who, facts = act["by"] or "nobody known", "; ".join(_facts_of(act["facts"]))
        return [short_time(act["at"]), who, act["act"] + times, act["subject"], facts]

    return table("Administration", ("AT", "WHO", "WHAT", "ABOUT", "FACTS"), map(row, acts))


def _facts_of(facts: Mapping[str, Any]) -> Iterable[str]:
    for name, value in facts.items():
        if value not in (None, "", []):
            yield f"{name}: {', '.join(map(str, value)) if isinstance(value, list) else value}"
