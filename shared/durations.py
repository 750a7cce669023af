"""How long verbs take, as far as a run knows. Pure."""

from datetime import timedelta
from statistics import median

from shared.messages import Verb
from shared.runs import Run
from shared.verbs import RULES


def typical(run: Run, verb: Verb) -> timedelta:
    """How long a verb takes: the median of this run's own jobs, else that of recorded ones."""
    took = [
        (step.ended - step.began).total_seconds()
        for item in run.items
        for step in item.steps
        if step.verb == verb and step.outcome == "succeeded" and step.began and step.ended
    ]
    return timedelta(seconds=median(took)) if took else RULES[verb].median
