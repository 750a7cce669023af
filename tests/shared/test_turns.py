"""Who may work on a cluster: one at a time, first come first served, and the dead stand in nobody's way."""

from datetime import UTC, datetime

from shared.healing.cluster_queue import JoinQueue, Queue, QueueTurn, join_queue, leave_queue

AT = datetime(2027, 3, 1, tzinfo=UTC)


def ask(run: str, *ended: str) -> JoinQueue:
    return JoinQueue(turn=QueueTurn(run=run, node=f"node-of-{run}", since=AT), ended=ended)


def line(*runs: str) -> Queue:
    queue: Queue = ()
    for run in runs:
        queue, _ = join_queue(queue, ask(run))
    return queue


def test_the_first_one_has_the_turn_and_the_others_know_who_has_it() -> None:
    queue, first = join_queue((), ask("a"))
    queue, second = join_queue(queue, ask("b"))
    assert (first.ahead, second.ahead, second.first, second.node) == (0, 1, "a", "node-of-a")
    assert [turn.run for turn in queue] == ["a", "b"]


def test_asking_again_keeps_ones_place() -> None:
    queue, place = join_queue(line("a", "b", "c"), ask("b"))
    assert (place.ahead, [turn.run for turn in queue]) == (1, ["a", "b", "c"])


def test_whoever_leaves_lets_the_next_one_in() -> None:
    queue, place = join_queue(leave_queue(line("a", "b", "c"), "a"), ask("b"))
    assert place.ahead == 0
    assert leave_queue(queue, "nobody") == queue


def test_runs_that_have_ended_lose_their_place_but_nobody_declares_himself_dead() -> None:
    queue, place = join_queue(line("a", "b", "c"), ask("c", "a", "b", "c"))
    assert (place.ahead, [turn.run for turn in queue]) == (0, ["c"])
