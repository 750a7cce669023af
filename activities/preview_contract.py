"""The contract's part for looking before acting: the preview that is taken anew once a run was approved."""

from activities.contract import Activity
from shared.messages import Message
from shared.operations import Operation
from shared.preview import Preview


class TakePreview(Message):
    """See what an operation would do now; without what it carries of its own run and of an earlier preview."""

    operation: Operation


class PreviewTaken(Message):
    """What it would do.

    Attributes:
        declared: Digest of the plan as it is declared now; empty when it was withdrawn.
    """

    preview: Preview
    declared: str = ""


TAKE_PREVIEW = Activity("take_preview", TakePreview, PreviewTaken)
