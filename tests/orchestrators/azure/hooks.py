"""What hooks call: a URL that answers at once, and work in Azure that is begun, read, and ended."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.activity import Nothing
from shared.operations.hook_work import HookWork
from shared.recovery.contract import BeginHookWork, HookAnswer, RunHook
from tests.driver import Clock


@dataclass
class Hooks:
    """Stands for the other side of a plan's hooks; all pass until a test says otherwise.

    Attributes:
        answers: By moment, what a URL answers.
        calls: The calls of URLs, in order.
        work: Work that was begun, by its id.
        work_due: When it ends, by its id.
        work_ends: How it ends.
        ended_work: Ids of the work that was ended, in order.
    """

    clock: Clock
    answers: dict[str, HookAnswer] = field(default_factory=dict)
    calls: list[RunHook] = field(default_factory=list)
    work: dict[str, BeginHookWork] = field(default_factory=dict)
    work_due: dict[str, datetime] = field(default_factory=dict)
    work_takes: timedelta = timedelta(minutes=2)
    work_ends: HookAnswer = field(default_factory=lambda: HookAnswer(state="passed", detail="the job is Completed"))
    ended_work: list[str] = field(default_factory=list)

    def run_hook(self, ask: RunHook) -> HookAnswer:
        self.calls.append(ask)
        return self.answers.get(ask.moment, HookAnswer(state="passed", status=200))

    def begin_work(self, ask: BeginHookWork) -> Nothing:
        """Begun once, however often it is asked for."""
        if ask.id not in self.work:
            self.work[ask.id] = ask
            self.work_due[ask.id] = self.clock.now + self.work_takes
        return Nothing()

    def read_work(self, ask: HookWork) -> HookAnswer:
        if self.clock.now < self.work_due[ask.id]:
            return HookAnswer(state="running", detail="the job is Running")
        return self.work_ends

    def end_work(self, ask: HookWork) -> Nothing:
        self.ended_work.append(ask.id)
        return Nothing()
