"""Every metric of the app: its name, unit and attributes, and the functions that record it.

No attribute is a person, a VM or a run: as many series as there are vaults, kinds, states and operations.
"""

import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Meter, Observation

from shared.errors import CallKind
from shared.telemetry.spans import SCOPE

type MetricKind = Literal["counter", "gauge", "histogram", "observed"]


class Metric(NamedTuple):
    """One metric, as docs/observability.md lists it."""

    name: str
    kind: MetricKind
    unit: str
    description: str
    attributes: tuple[str, ...] = ()


RUNS_ENDED = Metric("hci.runs.ended", "counter", "{run}", "runs that ended, and how", ("kind", "state"))
VMS_ENDED = Metric(
    "hci.vms.ended", "counter", "{vm}", "VMs of runs that ended, and where they stood", ("kind", "state")
)
VMS = Metric(
    "hci.vms", "gauge", "{vm}", "protected VMs of a vault, at its last whole reading", ("vault", "state", "health")
)
OWED = Metric("hci.obligations.open", "gauge", "{obligation}", "what is owed, at the timer's last look", ("kind",))
OWED_LATE = Metric("hci.obligations.late", "gauge", "{obligation}", "of it, what is late", ("kind",))
ARM_CALLS = Metric(
    "hci.arm.calls",
    "counter",
    "{call}",
    "calls of Azure Resource Manager; status 0: none came",
    ("method", "operation", "status"),
)
ARM_THROTTLED = Metric("hci.arm.throttled", "counter", "{call}", "calls that it answered with 429", ("kind",))
ARM_DURATION = Metric("hci.arm.duration", "histogram", "s", "how long its answers took", ("method", "operation"))
LOOK_AGE = Metric("hci.timer.look.age", "observed", "s", "since the timer looked last, as far as this process knows")
METRICS = (RUNS_ENDED, VMS_ENDED, VMS, OWED, OWED_LATE, ARM_CALLS, ARM_THROTTLED, ARM_DURATION, LOOK_AGE)

MOST_REMEMBERED = 1000
"""Ends of runs that a process knows to have counted."""
SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Bounds of the histogram's buckets."""
_counted: OrderedDict[str, None] = OrderedDict()
_vault_series: dict[str, set[tuple[str, str]]] = {}
_last_look: list[float] = []


def _observe_look_age(_options: CallbackOptions) -> Iterable[Observation]:
    return [Observation(time.monotonic() - at) for at in _last_look]


def make_instruments(meter: Meter) -> dict[Metric, Any]:
    """What records each metric."""
    return {metric: _make_instrument(meter, metric) for metric in METRICS}


def _make_instrument(meter: Meter, metric: Metric) -> Any:
    about: dict[str, Any] = {"unit": metric.unit, "description": metric.description}
    match metric.kind:
        case "counter":
            return meter.create_counter(metric.name, **about)
        case "gauge":
            return meter.create_gauge(metric.name, **about)
        case "histogram":
            return meter.create_histogram(metric.name, **about, explicit_bucket_boundaries_advisory=SECONDS)
    return meter.create_observable_gauge(metric.name, [_observe_look_age], **about)


_INSTRUMENTS: dict[Metric, Any] = make_instruments(metrics.get_meter(SCOPE))


def _record(metric: Metric, value: float, *attributes: str | int) -> None:
    instrument = _INSTRUMENTS[metric]
    record = {"counter": "add", "gauge": "set", "histogram": "record"}[metric.kind]
    getattr(instrument, record)(value, dict(zip(metric.attributes, attributes, strict=True)))


def is_first_time(key: str) -> bool:
    """Whether this process has not counted this yet: an activity may run twice."""
    if key in _counted:
        return False
    _counted[key] = None
    while len(_counted) > MOST_REMEMBERED:
        _counted.popitem(last=False)
    return True


def count_run(kind: str, state: str) -> None:
    """Count a run that ended."""
    _record(RUNS_ENDED, 1, kind, state)


def count_run_vms(kind: str, states: Mapping[str, int]) -> None:
    """Count the VMs of a run that ended, by where they stood."""
    for state, count in states.items():
        _record(VMS_ENDED, count, kind, state)


def set_vault_vms(vault: str, counts: Mapping[tuple[str, str], int]) -> None:
    """Set how many VMs of a vault are in which state and health; what was there before and is no more is 0."""
    series = _vault_series.setdefault(vault, set())
    series |= set(counts)
    for state, health in series:
        _record(VMS, counts.get((state, health), 0), vault, state, health)


def set_obligations(kinds: Iterable[str], owed: Mapping[str, int], late: Mapping[str, int]) -> None:
    """Set what is owed and what of it is late, by kind; a kind of which nothing is owed is 0."""
    for kind in kinds:
        _record(OWED, owed.get(kind, 0), kind)
        _record(OWED_LATE, late.get(kind, 0), kind)


def note_look() -> None:
    """Note that the timer looks now."""
    _last_look[:] = [time.monotonic()]


def count_arm_call(method: str, operation: str, status: int, seconds: float) -> None:
    """Count a call of Azure Resource Manager; status 0 where no answer came."""
    _record(ARM_CALLS, 1, method, operation, status)
    _record(ARM_DURATION, seconds, method, operation)


def count_arm_throttled(kind: CallKind) -> None:
    """Count a call that was answered with 429."""
    _record(ARM_THROTTLED, 1, kind)
