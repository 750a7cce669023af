"""The order of a plan, for any plan."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.graph import critical_path, find_cycle, find_cycles, reversed_edges, waves_of

PAYROLL = {
    "dc-01": (),
    "sql-01": ("dc-01",),
    "app-01": ("sql-01",),
    "app-02": ("sql-01",),
    "web-01": ("app-01", "app-02"),
    "web-02": ("app-01", "app-02"),
}


@st.composite
def orders(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    """Any graph without a circle: each name comes after some of those before it."""
    names = [f"vm-{n}" for n in range(draw(st.integers(0, 20)))]
    after = {
        name: tuple(draw(st.sets(st.sampled_from(names[:n]), max_size=4))) if n else () for n, name in enumerate(names)
    }
    return {name: after[name] for name in draw(st.permutations(names))}


def test_a_wave_waits_only_for_the_waves_before_it() -> None:
    assert waves_of(PAYROLL) == (("dc-01",), ("sql-01",), ("app-01", "app-02"), ("web-01", "web-02"))


@given(orders())
def test_each_name_is_in_one_wave_and_after_all_that_it_waits_for(after: dict[str, tuple[str, ...]]) -> None:
    waves = waves_of(after)
    place = {name: number for number, wave in enumerate(waves) for name in wave}
    assert sorted(name for wave in waves for name in wave) == sorted(after)
    assert all(place[before] < place[name] for name in after for before in after[name])
    assert all(name in waves[0] or any(place[b] == place[name] - 1 for b in after[name]) for name in after)


@given(orders())
def test_the_way_back_turns_every_edge_and_turning_twice_changes_nothing(after: dict[str, tuple[str, ...]]) -> None:
    turned = reversed_edges(after)
    assert {(b, a) for a in turned for b in turned[a]} == {(a, b) for a in after for b in after[a]}
    assert {name: set(before) for name, before in reversed_edges(turned).items()} == {
        n: set(b) for n, b in after.items()
    }


@given(orders())
def test_an_order_without_a_circle_has_none(after: dict[str, tuple[str, ...]]) -> None:
    assert find_cycle(after) is None


@given(orders(), st.data())
def test_a_circle_that_was_put_in_is_found_and_shown_whole(
    after: dict[str, tuple[str, ...]], data: st.DataObject
) -> None:
    chain = data.draw(st.lists(st.sampled_from([*after, "extra"]), min_size=1, max_size=5, unique=True))
    edges = {**after, "extra": ()}
    edges |= {name: (*edges[name], chain[(n + 1) % len(chain)]) for n, name in enumerate(chain)}
    found = find_cycle(edges)
    assert found is not None
    assert found[0] == found[-1]
    assert all(then in edges[here] for here, then in pairwise(found))


def test_a_circle_reads_from_who_waits_to_whom_it_waits_for() -> None:
    edges = {"sql-01": ("app-01",), "app-01": ("web-01",), "web-01": ("sql-01",), "dc-01": ()}
    assert find_cycle(edges) == ("sql-01", "app-01", "web-01", "sql-01")


def test_circles_that_share_no_name_are_all_told() -> None:
    edges = {"a": ("b",), "b": ("a",), "c": ("c",), "d": ("a",)}
    assert find_cycles(edges) == (("a", "b", "a"), ("c", "c"))


def test_waves_of_a_circle_are_refused_with_the_circle() -> None:
    with pytest.raises(ValueError, match="a -> b -> a"):
        waves_of({"a": ("b",), "b": ("a",)})


def test_the_critical_path_is_the_longest_chain_not_the_sum() -> None:
    minutes = {name: timedelta(minutes=10) for name in PAYROLL} | {"app-02": timedelta(minutes=25)}
    took, path = critical_path(PAYROLL, minutes)
    assert took == timedelta(minutes=55)
    assert path[:3] == ("dc-01", "sql-01", "app-02")


def test_nothing_takes_no_time() -> None:
    assert critical_path({}, {}) == (timedelta(0), ())
    assert waves_of({}) == ()


@given(orders())
def test_the_critical_path_of_equal_steps_is_as_long_as_there_are_waves(after: dict[str, tuple[str, ...]]) -> None:
    took, path = critical_path(after, dict.fromkeys(after, timedelta(seconds=1)))
    assert took == timedelta(seconds=len(waves_of(after)))
    assert all(before in after[name] for before, name in pairwise(path))


def test_a_chain_of_five_thousand_does_not_exhaust_the_stack() -> None:
    chain = {f"vm-{n:04}": (f"vm-{n - 1:04}",) if n else () for n in range(5000)}
    assert len(waves_of(chain)) == 5000
    assert find_cycle({**chain, "vm-0000": ("vm-4999",)}) is not None
