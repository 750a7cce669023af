"""How drills of the schedule are tried again."""

from datetime import timedelta

RETRY_AFTER, RETRY_AFTER_AT_MOST = timedelta(minutes=4), timedelta(hours=2)
"""After a drill that was refused: what stood in its way may pass within minutes, or last for a while."""
