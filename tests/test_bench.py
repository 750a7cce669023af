"""What the benchmarks make of their figures; the figures themselves are not tested."""

import pytest

from bench.figures import Figure
from bench.fleet import linear
from bench.long_life import EntitySize, Measurement, Size, Times, growth


@pytest.mark.parametrize(
    ("value", "bound", "missed"),
    [
        (1.1, "<= 1.10", False),
        (1.11, "<= 1.10", True),
        (0, "= 0", False),
        (24, "= 0", True),
        (999, ">= 1,000", True),
        (3, "< 3", True),
        (9, "", False),
    ],
)
def test_a_bound_is_missed_or_not(value: float, bound: str, missed: bool) -> None:
    assert Figure("a figure", value, "", bound).missed is missed


def test_a_bound_of_an_idle_machine_is_never_missed() -> None:
    assert not Figure("a figure", 9, "", "< 1", firm=False).missed


def test_the_cost_of_a_vm_is_compared_where_both_sizes_were_measured() -> None:
    def run(vms: int, cpu: float) -> dict[str, object]:
        return {"name": f"fleet-{vms}", "vms": vms, "cpu_seconds": cpu}

    (figure,) = linear([run(10, 2), run(1000, 40), run(5000, 300)])
    assert figure.value == pytest.approx(1.5)
    assert figure.missed
    assert linear([run(10, 2), run(1000, 40)]) == []


def test_what_grows_after_the_second_month_is_missed_but_evidence_and_the_past_runs_of_plans() -> None:
    def month(weeks: int, runs: int, leases: int, past_runs: int) -> Measurement:
        tables = {"instances": Size(runs, 0), "history": Size(1, 1000)}
        sizes = {"leases": leases, "plan_history": past_runs}
        entities = {kind: EntitySize(1, size, size) for kind, size in sizes.items()}
        return Measurement(weeks, 10 * weeks, tables, entities, 1000 * weeks, 100, Times(1, 1, 1))

    def missed(last: Measurement) -> list[bool]:
        return [figure.missed for figure in growth([month(4, 50, 100, 10), month(8, 100, 100, 20), last])]

    assert missed(month(12, 104, 100, 300)) == [False, False, False, False]
    assert missed(month(12, 106, 111, 20)) == [True, True, False, False]
    assert growth([month(4, 50, 100, 10), month(8, 100, 100, 20)]) == []
