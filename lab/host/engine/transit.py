"""How long a message is on its way: a poll of its queue, and a blob if it is large."""

from dataclasses import dataclass
from datetime import timedelta

LARGEST_INLINE = 45 * 1024
"""Bytes that a queue message holds itself; what is larger goes through a blob. Source: MessageManager of
DurableTask.AzureStorage."""


@dataclass(frozen=True)
class Transit:
    """What sending costs.

    Attributes:
        hop: Until the queue of any message is polled.
        blob_bytes_per_second: Of JSON that is compressed, written to a blob and read again; 0 where that takes no time.
    """

    hop: timedelta = timedelta(0)
    blob_bytes_per_second: float = 0

    def time_of(self, size: int) -> timedelta:
        """How long a message of so many bytes takes."""
        if size <= LARGEST_INLINE or not self.blob_bytes_per_second:
            return self.hop
        return self.hop + timedelta(seconds=size / self.blob_bytes_per_second)
