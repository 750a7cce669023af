"""How long a request waits for what it has started."""

from datetime import timedelta

ADMISSION_CHECKS, ADMISSION_CHECK_EVERY = 30, timedelta(milliseconds=50)
"""A second and a half in all: admission is quick, and a caller had better be refused now than find it out later."""
DOCUMENT_CHANGE_WITHIN = timedelta(seconds=20)
"""How long a caller waits for a document to be declared or withdrawn; it takes a fraction of one second."""
TERMINATION_WITHIN = timedelta(minutes=5)
"""How long the engine may take to end a drill that is left, before the failover that waits for its VMs gives up."""
