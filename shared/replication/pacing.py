"""How long the replication of VMs waits for what, and why."""

from datetime import timedelta

RETRY_PAUSE = timedelta(minutes=2)
"""Before a job is done again, and before a busy VM is asked again; twice as long each time."""
ABSENT_FOR = timedelta(minutes=15)
"""An item that is not there so long after its job has ended will not come any more (assumed)."""
DISCOVERY_TAKES = timedelta(minutes=15)
"""Until the VMs of a host that has registered are listed, at the most (what the vendor's support says)."""
QUICK_POLL, SLOW_POLL = timedelta(seconds=30), timedelta(minutes=2)
"""While jobs run, which take minutes; and while VMs are copied, which takes hours."""
INITIAL_COPY_PATIENCE = timedelta(days=7)
"""How long the first copy of a VM may take, unless the request says otherwise: large disks over slow lines."""
