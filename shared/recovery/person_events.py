"""What persons say to a run, as events on their way to it: the triggers write them, the run reads them.

The run adds when it read them: `Approval` and `Decision` are these fields and `at`.
"""

from typing import Literal

from shared.messages import Message

type Verdict = Literal["retry", "skip", "abort", "resume"]


class ApprovalGiven(Message):
    """An approval or a rejection of a run that has not begun.

    Attributes:
        person: Who it was, as Entra knows them: names are not unique.
        by: Their name.
        is_app: Whether it was an app: whoever owns it speaks for it.
        digest: Of the plan that was reviewed.
        preview: Digest of the preview that was reviewed; empty where none is named.
    """

    approved: bool
    person: str
    by: str
    is_app: bool = False
    digest: str
    preview: str = ""
    comment: str = ""


class DecisionGiven(Message):
    """What becomes of a run that waits.

    Attributes:
        by: Their name; `person` is who it was, as Entra knows them, empty for a function key.
        vms: Whom it concerns; empty for all that wait for a decision.
        about: Mark of what the run waited for when it was decided: sent twice, it decides nothing that comes next.
    """

    verdict: Verdict
    by: str
    person: str = ""
    vms: tuple[str, ...] = ()
    comment: str = ""
    about: str = ""
