"""The stages of a run: one verb each for all its items, in their order."""

from datetime import datetime, timedelta
from typing import Literal, Self

from shared.messages import Message
from shared.recovery.run_item import RunItem
from shared.site_recovery.views import Verb


class Stage(Message):
    """One verb for all items of a run that take part in it.

    Attributes:
        ordered: An item waits until those that it depends on are done.
        probed: The machine must pass its probes before what depends on it starts.
        settles: The item's own state must prove the verb's end; that its job ended is not enough.
        settles_within: How long the item's state may take to follow its job.
        after: Who takes part: all; those that the run's earlier stages left well; or those that an earlier stage
            touched, however it went.
        unless_failed: The stage is left out when anything in the run has failed.
        pause: Why the run waits for a person before the stage begins; empty when it does not.
        pause_until: When it goes on by itself.
        order_reversed: The order is that of the way back: what depends on an item comes before it.
        guarded: The runbook looks whether anything stands in the way before the stage begins.
    """

    verb: Verb
    ordered: bool = True
    probed: bool = False
    settles: bool = False
    settles_within: timedelta = timedelta(minutes=30)
    after: Literal["all", "well", "touched"] = "all"
    unless_failed: bool = False
    pause: str = ""
    pause_until: datetime | None = None
    order_reversed: bool = False
    guarded: bool = False

    def takes(self, item: RunItem) -> bool:
        """Whether an item takes part in the stage that is about to begin."""
        if self.after == "touched":
            return item.is_touched
        return item.state != "skipped" if self.after == "all" else item.state == "done"


class StageProgress(Message):
    """The stages of a run in their order, and the one under way.

    Attributes:
        number: Index of the stage under way; as many as there are stages when all are over.
        began: Start of the stage under way.
        order_reversed: The items' `after` is that of the way back.
        guard_passed: What guards the stage under way was found to be well.
    """

    stages: tuple[Stage, ...]
    number: int = 0
    began: datetime
    order_reversed: bool = False
    guard_passed: bool = False

    @property
    def current(self) -> Stage | None:
        """The stage under way, None when all are over."""
        return self.stages[self.number] if self.number < len(self.stages) else None

    @property
    def times_before(self) -> int:
        """How many earlier stages had the verb of the one under way."""
        return sum(stage.verb == self.stages[self.number].verb for stage in self.stages[: self.number])

    def with_next_stage(self) -> Self:
        """One stage further."""
        return self.model_copy(update={"number": self.number + 1})

    def with_guard(self, *, passed: bool) -> Self:
        """With what was found where the stage is guarded."""
        return self.model_copy(update={"guard_passed": passed})
