"""How long verbs take, as far as a run knows. Pure."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from statistics import median

from shared.messages import Verb
from shared.runs import Run
from shared.verbs import RULES

ENOUGH = 200
"""Jobs that say how long the others take: it is asked in each tick, of 5,000 items too."""


def typical(run: Run, verb: Verb) -> timedelta:
    """How long a verb takes: the median of some of this run's own jobs, else that of recorded ones."""
    took = list(islice(_seconds(run, verb), ENOUGH))
    return timedelta(seconds=median(took)) if took else RULES[verb].median


def _seconds(run: Run, verb: Verb) -> Iterator[float]:
    for item in run.items:
        for step in item.steps:
            if step.verb == verb and step.outcome == "succeeded" and step.began and step.ended:
                yield (step.ended - step.began).total_seconds()
