"""Pauses between attempts that grow, up to a longest one, whatever the number of attempts."""

from datetime import timedelta

DOUBLINGS = 64
"""After so many of them any pause that is not zero is longer than a `timedelta` can say."""


def grow_pause(first: timedelta, times: int, longest: timedelta, factor: int = 2) -> timedelta:
    """The first pause, grown so many times by the factor, and never longer than the longest."""
    pause = first
    for _ in range(min(times, DOUBLINGS)):
        if pause >= longest:
            break
        pause *= factor
    return min(pause, longest)
