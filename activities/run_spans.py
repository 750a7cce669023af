"""Spans and figures of a run that has ended, made of its times by the durable clock: run, phases, stages, VMs.

Their ids follow from the run: who records them twice, because the activity ran twice, records the same spans.
"""

from opentelemetry.context import Context

from shared.grouping import group_pairs
from shared.operations.contract import PublishEvent
from shared.operations.run_timeline import RunTimeline, VmSpan
from shared.telemetry.metrics import count_run, count_run_vms, is_first_time
from shared.telemetry.spans import RUN, PastSpan, Value, is_recording, record_past_span

ENDS = (
    "HciSiteRecovery.Operation.Finished",
    *(f"HciSiteRecovery.Node.{end}" for end in ("Healed", "Finding", "Finished")),
)
"""The events with which runs end."""


def note_end_of_run(event: PublishEvent) -> None:
    """Count the run that this event says has ended, and record its spans; once in this process, however often asked."""
    if event.type not in ENDS or event.is_counted or not is_first_time(event.id):
        return
    count_run(str(event.data.get("kind", "repair")), str(event.data.get("state", "")))
    if event.timeline:
        count_run_vms(event.timeline.kind, event.timeline.states)
        if is_recording():
            record_run(event.timeline)


def record_run(timeline: RunTimeline) -> None:
    """Record a run with its phases or stages, and each stage with its VMs."""
    about: dict[str, Value] = {RUN: timeline.run, "hci.kind": timeline.kind, "hci.subject": timeline.subject}
    about |= {"hci.state": timeline.state, "hci.spans.left_out": timeline.left_out}
    about |= {f"hci.vms.{state}": count for state, count in timeline.states.items()}
    failed = timeline.state if timeline.state != "succeeded" else ""
    run_span = PastSpan(timeline.run, f"run {timeline.kind}", timeline.began, timeline.ended, about, failed=failed)
    run = record_past_span(run_span)
    for number, phase in enumerate(timeline.phases):
        span = PastSpan(
            f"{timeline.run}\n{number}", f"phase {phase.name}", phase.began, phase.ended, {RUN: timeline.run}
        )
        record_past_span(span, run)
    for (verb, number), vms in group_pairs(((vm.verb, vm.stage), vm) for vm in timeline.vms).items():
        _record_stage(timeline.run, verb, number, vms, run)


def _record_stage(run: str, verb: str, number: int, vms: list[VmSpan], parent: Context) -> None:
    """A stage from its first VM's begin to its last one's end."""
    key = f"{run}\n{verb}\n{number}"
    about: dict[str, Value] = {RUN: run, "hci.verb": verb, "hci.vms": len(vms)}
    failed = next((vm.code for vm in vms if vm.code), "")
    began, ended = min(vm.began for vm in vms), max(vm.ended for vm in vms)
    stage = record_past_span(PastSpan(key, f"stage {verb}", began, ended, about, failed), parent)
    for vm in vms:
        attributes = {RUN: run, "hci.verb": verb, "hci.vm": vm.vm, "hci.job": vm.job}
        name, vm_key = f"vm {verb}", f"{key}\n{vm.vm}\n{vm.job}"
        record_past_span(PastSpan(vm_key, name, vm.began, vm.ended, attributes, vm.code), stage)
