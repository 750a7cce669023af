"""The names under which the engine keeps orchestrators and entities.

Literals, because histories, entity states and messages on their way hold them: functions may be renamed, these may not.
An orchestrator that runs an operation has the name of the operation's kind.
"""

CHANGE_HOLD = "change_hold"
CHANGE_LOST_NODE = "change_lost_node"
CHECK_HEALTH = "check_health"
DECLARE_DOCUMENT = "declare_document"
NOTIFY = "notify"
PROVE_SOURCES_OFF = "prove_sources_off"
PUBLISH_EVENT = "publish_event"
RECONCILE = "reconcile"
RECORD_ADMINISTRATION = "record_administration"
SETTLE_OBLIGATION = "settle_obligation"
WATCH_NODES = "watch_nodes"

CLUSTER_QUEUE = "cluster_queue"
CLUSTER_VMS = "cluster_vms"
DOCUMENTS = "documents"
EVENT_COUNTS = "event_counts"
HOLDS = "holds"
LEASES = "leases"
LOST_NODES = "lost_nodes"
LOST_RUNS = "lost_runs"
NODES = "nodes"
NOTIFICATIONS = "notifications"
OBLIGATIONS = "obligations"
PLAN_HISTORY = "plan_history"
RECOVERY_PLAN_MIRRORS = "recovery_plan_mirrors"
REQUEST_BUDGET = "request_budget"
TIMER_LOOKS = "timer_looks"

UNSEALED_ENTITIES = frozenset({CLUSTER_QUEUE, LEASES, REQUEST_BUDGET})
"""Those that only say whose turn it is: each message is one of very many, and nothing is allowed because of them.

All others do what the app has sealed, and nothing else.
"""
