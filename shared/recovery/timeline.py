"""The times of a run that has ended, of its stages and VMs. Pure."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from shared.operations.run_timeline import MOST_SPANS, RunTimeline, VmSpan
from shared.recovery.operation import Operation
from shared.recovery.outcome import Outcome
from shared.recovery.run import Run
from shared.recovery.run_item import RunItem

JOB_FAILED, NOT_SENT = "job-failed", "none"


def timeline_of(operation: Operation, run: Run, outcome: Outcome) -> RunTimeline:
    """When the run, and each verb on each of its VMs, began and ended."""
    over = outcome.ended or run.began
    shown, left_out = choose_spans(run.items, over)
    return RunTimeline(
        run=operation.id,
        kind=operation.kind,
        subject=f"plans/{operation.plan}",
        state=outcome.state,
        began=outcome.began or run.began,
        ended=over,
        states=Counter(item.state for item in run.items),
        vms=tuple(sorted(shown, key=lambda span: (span.began, span.vm))),
        left_out=left_out,
    )


def bare_timeline(run: str, subject: str, outcome: Outcome) -> RunTimeline | None:
    """When a run on a site began and ended, or one that makes a change; None of one that does not say."""
    if outcome.began is None or outcome.ended is None:
        return None
    times = {"began": outcome.began, "ended": outcome.ended}
    return RunTimeline(run=run, kind=outcome.kind, subject=subject, state=outcome.state, **times)


def choose_spans(items: Iterable[RunItem], over: datetime) -> tuple[list[VmSpan], int]:
    """So many of all spans as are kept, those that failed first; and how many are left out."""
    spans = [span for item in items for span in spans_of(item, over)]
    shown = sorted(spans, key=lambda span: not span.code)[:MOST_SPANS]
    return shown, len(spans) - len(shown)


def spans_of(item: RunItem, over: datetime) -> list[VmSpan]:
    """Each verb on the VM until it was seen to work; what failed and was tried again is of the same stage.

    Args:
        item: The VM at the end of its run.
        over: When the run ended, which stands for a time that nobody knows.
    """
    done: Counter[str] = Counter()
    spans: list[VmSpan] = []
    for step in item.steps:
        began = step.began or step.ended or over
        spans.append(
            VmSpan(
                vm=item.vm,
                verb=step.verb,
                stage=done[step.verb] + 1,
                began=began,
                ended=step.probed or step.ended or began,
                job=step.job,
                code=JOB_FAILED if step.outcome == "failed" else "",
            )
        )
        done[step.verb] += step.outcome == "succeeded"
    return spans if item.state != "failed" else _with_failure(item, spans, over)


def _with_failure(item: RunItem, spans: list[VmSpan], over: datetime) -> list[VmSpan]:
    """The same with why the VM failed: on its last verb, or as a verb that never had a job."""
    if spans and spans[-1].verb == item.requested_verb:
        return [*spans[:-1], spans[-1].model_copy(update={"code": item.code or JOB_FAILED})]
    verb, began, code = item.requested_verb or NOT_SENT, item.since or over, item.code or JOB_FAILED
    return [*spans, VmSpan(vm=item.vm, verb=verb, began=min(began, over), ended=over, code=code)]
