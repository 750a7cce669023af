"""Starting verbs: adopted when it is ours, sent once when it may be, and always told what became of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from activities.start_verbs import start_verbs
from shared.errors import Transient
from shared.messages import VaultRef
from shared.request_ids import client_request_id
from shared.site_recovery.contract import ItemStart, StartsMade, StartVerbs
from shared.site_recovery.verb_options import VerbOptions
from shared.site_recovery.views import Verb
from tests.shared.azure.fake import ITEM, VAULT, FakeArm, Reply, accepted, item, job, listed

SINCE = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
NETWORK = "/subscriptions/s1/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/vnet-drill"
BUSY = {"scenarioName": "TestFailover", "jobId": f"{VAULT}/replicationJobs/j9", "startTime": "2026-11-22T10:01:00Z"}


def ask(*vms: str, verb: Verb = "TestFailover", attempt: int = 1, **more: Any) -> StartVerbs:
    starts = tuple(ItemStart(vm=vm, item_id=ITEM.replace("sql-01", vm), attempt=attempt) for vm in vms or ("sql-01",))
    return StartVerbs(
        vault=VaultRef.from_id(VAULT),
        operation="op-1",
        verb=verb,
        starts=starts,
        since=SINCE,
        network_id=NETWORK,
        **more,
    )


def ours(verb: str = "TestFailover", attempt: int = 1) -> str:
    return f"{client_request_id('op-1', ITEM, verb, attempt)} ActivityId: 11111111-1111-1111-1111-111111111111"


def outcomes(made: StartsMade) -> list[tuple[str, str, str]]:
    return [(answer.outcome, answer.job, answer.code) for answer in made.answers]


@pytest.fixture
def idle(arm: FakeArm) -> FakeArm:
    """A vault with one idle item, no jobs, that takes a test failover."""
    arm.says("GET", "/sql-01", Reply(200, item()))
    arm.says("GET", "/replicationJobs", listed())
    arm.says("POST", "/testFailover", accepted("j1"))
    return arm


async def test_an_idle_item_is_started_once_under_its_request_id(idle: FakeArm) -> None:
    assert outcomes(await start_verbs(ask())) == [("started", "j1", "")]
    (sent,) = idle.sent("POST", "/testFailover")
    assert sent.headers["x-ms-client-request-id"] == client_request_id("op-1", ITEM, "TestFailover", 1)


def again(attempt: int = 2) -> StartVerbs:
    request = ask(attempt=attempt)
    return request.model_copy(
        update={"starts": tuple(start.model_copy(update={"cleans_up_first": True}) for start in request.starts)}
    )


async def test_a_test_failover_that_is_tried_again_is_cleaned_up_first_once_and_under_an_id_of_its_own(
    idle: FakeArm,
) -> None:
    left: Any = {"testFailoverState": "WaitingForCompletion", "allowedOperations": ["TestFailoverCleanup"]}
    idle.says("GET", "/sql-01", Reply(200, item(**left)))
    idle.says("POST", "/testFailoverCleanup", accepted("j2"))
    assert outcomes(await start_verbs(ask(attempt=2))) == [("refused", "", "test-failover-pending")]
    assert outcomes(await start_verbs(again())) == [("busy", "", "item-busy")]
    (sent,) = idle.sent("POST", "/testFailoverCleanup")
    request_id = client_request_id("op-1:again", ITEM, "TestFailoverCleanup", 2)
    assert sent.headers["x-ms-client-request-id"] == request_id
    idle.says("GET", "/replicationJobs", listed(job("j2", activityId=f"{request_id} ActivityId: 1")))
    assert outcomes(await start_verbs(again())) == [("busy", "", "item-busy")]
    assert len(idle.sent("POST", "/testFailoverCleanup")) == 1
    assert idle.sent("POST", "/testFailover") == []


async def test_a_test_failover_that_is_tried_again_once_it_is_clean_is_started(idle: FakeArm) -> None:
    assert outcomes(await start_verbs(again())) == [("started", "j1", "")]


async def test_after_an_abort_nothing_is_sent_and_what_was_sent_is_found(idle: FakeArm) -> None:
    assert outcomes(await start_verbs(ask(only_adopt=True))) == [("refused", "", "aborted")]
    assert idle.sent("POST", "/testFailover") == []
    idle.says("GET", "/replicationJobs", listed(job("j9", activityId=ours())))
    assert outcomes(await start_verbs(ask(only_adopt=True))) == [("started", "j9", "")]


async def test_the_item_is_read_before_the_jobs(idle: FakeArm) -> None:
    """The other way round a job could begin in between, and be neither listed nor seen."""
    await start_verbs(ask())
    paths = [one.path.rpartition("/")[2] for one in idle.asked if one.path != "/msi/token"]
    assert paths == ["sql-01", "replicationJobs", "testFailover"]


async def test_a_job_that_our_request_started_is_adopted(idle: FakeArm) -> None:
    idle.says("GET", "/sql-01", Reply(200, item(currentScenario=BUSY, allowedOperations=[])))
    idle.says("GET", "/replicationJobs", listed(job("j8", activityId="x ActivityId: y"), job("j9", activityId=ours())))
    assert outcomes(await start_verbs(ask())) == [("started", "j9", "")]
    assert idle.sent("POST", "/testFailover") == []


async def test_a_job_of_ours_that_failed_already_is_adopted_too(idle: FakeArm) -> None:
    """Its end is told by the watch; only a new attempt, asked for on purpose, sends the verb again."""
    idle.says("GET", "/replicationJobs", listed(job("j9", activityId=ours(), state="Failed")))
    assert outcomes(await start_verbs(ask())) == [("started", "j9", "")]
    assert outcomes(await start_verbs(ask(attempt=2))) == [("started", "j1", "")]


async def test_a_young_job_that_no_list_shows_is_found_through_its_item(idle: FakeArm) -> None:
    idle.says("GET", "/sql-01", Reply(200, item(currentScenario=BUSY, allowedOperations=[])))
    idle.says("GET", "/replicationJobs/j9", Reply(200, job("j9", activityId=ours(), startTime=None)))
    assert outcomes(await start_verbs(ask())) == [("started", "j9", "")]


@pytest.mark.parametrize("told", [None, "new-form"])
@pytest.mark.parametrize("target", [{"targetObjectId": "guid-sql-01"}, {"targetObjectName": "sql-01"}])
async def test_a_job_that_the_list_shows_without_its_starter_is_read(
    idle: FakeArm, told: str | None, target: dict[str, str]
) -> None:
    young = {"scenarioName": "TestFailover", "startTime": "2026-11-22T10:05:00Z", **target}
    idle.says("GET", "/replicationJobs", listed(job("j9", activityId=told, **young)))
    idle.says("GET", "/replicationJobs/j9", Reply(200, job("j9", activityId=ours(), **young)))
    assert outcomes(await start_verbs(ask())) == [("started", "j9", "")]
    idle.says("GET", "/replicationJobs/j9", Reply(200, job("j9", activityId=told, **young)))
    assert outcomes(await start_verbs(ask())) == [("started", "j9", "")]


async def test_a_job_of_somebody_else_is_never_adopted(idle: FakeArm) -> None:
    theirs = {"scenarioName": "TestFailover", "startTime": "2026-11-22T10:05:00Z", "targetObjectId": "guid-sql-01"}
    idle.says("GET", "/replicationJobs", listed(job("j9", activityId=None, **theirs)))
    idle.says("GET", "/replicationJobs/j9", Reply(200, job("j9", activityId="somebody ActivityId: else", **theirs)))
    assert outcomes(await start_verbs(ask())) == [("started", "j1", "")]


async def test_an_item_that_the_run_has_just_seen_is_not_read_again(idle: FakeArm) -> None:
    start = ask()
    seen = start.model_copy(
        update={"starts": tuple(one.model_copy(update={"found_ready": True}) for one in start.starts)}
    )
    assert outcomes(await start_verbs(seen)) == [("started", "j1", "")]
    assert idle.sent("GET", "/sql-01") == []


async def test_an_item_that_is_busy_with_something_else_is_left_alone(idle: FakeArm) -> None:
    idle.says("GET", "/sql-01", Reply(200, item(currentScenario=BUSY, allowedOperations=[])))
    idle.says("GET", "/replicationJobs/j9", Reply(200, job("j9", activityId="somebody ActivityId: else")))
    assert outcomes(await start_verbs(ask())) == [("busy", "", "item-busy")]
    assert idle.sent("POST", "/testFailover") == []


async def test_a_verb_that_the_item_does_not_allow_is_refused(idle: FakeArm) -> None:
    assert outcomes(await start_verbs(ask(verb="Commit"))) == [("refused", "", "commit-not-allowed")]
    assert [one for one in idle.asked if one.method == "POST"] == []


@pytest.mark.parametrize(
    ("status", "code", "outcome"),
    [
        (409, "Conflict", "put-off"),
        (409, "AnotherOperationInProgress", "put-off"),
        (409, "", "put-off"),
        (409, "ScopeLocked", "refused"),
        (409, "MissingSubscriptionRegistration", "refused"),
        (412, "PreconditionFailed", "put-off"),
        (423, "Locked", "put-off"),
        (404, "ResourceNotFound", "put-off"),
        (403, "AuthorizationFailed", "refused"),
        (400, "BadRequest", "refused"),
    ],
)
async def test_what_collides_may_be_taken_later_and_what_says_no_is_final(
    idle: FakeArm, status: int, code: str, outcome: str
) -> None:
    idle.says("POST", "/testFailover", Reply(status, {"error": {"code": code, "message": "in Azure's words"}}))
    (answer,) = (await start_verbs(ask())).answers
    assert (answer.outcome, answer.code) == (outcome, code or "http-409")
    assert answer.detail == "in Azure's words"
    assert len(idle.sent("POST", "/testFailover")) == 1


async def test_a_job_of_ours_is_adopted_although_its_verb_was_answered_409(idle: FakeArm) -> None:
    idle.says("POST", "/testFailover", Reply(409))
    assert [answer.outcome for answer in (await start_verbs(ask())).answers] == ["put-off"]
    idle.says("GET", "/replicationJobs", listed(job("j7", activityId=ours())))
    assert outcomes(await start_verbs(ask())) == [("started", "j7", "")]
    assert len(idle.sent("POST", "/testFailover")) == 1


async def test_an_item_that_the_vault_does_not_show_may_be_there_again(idle: FakeArm) -> None:
    idle.says("GET", "/sql-01", Reply(404, {"error": {"code": "NotFound", "message": "no such item"}}))
    assert outcomes(await start_verbs(ask())) == [("put-off", "", "item-not-found")]
    assert idle.sent("POST", "/testFailover") == []


async def test_a_drill_without_a_network_is_refused(idle: FakeArm) -> None:
    made = await start_verbs(ask().model_copy(update={"network_id": ""}))
    assert outcomes(made) == [("refused", "", "no-drill-network")]
    assert idle.sent("POST", "/testFailover") == []


@pytest.mark.parametrize("lost", [Reply(lost=True), Reply(500), Reply(503), Reply(504)])
async def test_a_lost_answer_is_told_as_such_and_the_next_call_finds_the_job(idle: FakeArm, lost: Reply) -> None:
    idle.says("POST", "/testFailover", lost)
    assert outcomes(await start_verbs(ask())) == [("unanswered", "", "")]
    idle.says("GET", "/replicationJobs", listed(job("j1", activityId=ours())))
    assert outcomes(await start_verbs(ask())) == [("started", "j1", "")]
    assert len(idle.sent("POST", "/testFailover")) == 1


async def test_a_refusal_of_the_vault_has_its_code(idle: FakeArm) -> None:
    idle.says("POST", "/testFailover", Reply(400, {"error": {"code": "BadRequest", "message": "no"}}))
    assert outcomes(await start_verbs(ask())) == [("refused", "", "BadRequest")]


async def test_once_the_vault_throttles_the_rest_of_the_batch_stays_unsent(arm: FakeArm) -> None:
    vms = [f"vm-{n:02}" for n in range(30)]
    arm.says("GET", "/replicationProtectedItems", listed(*(item(vm) for vm in vms)))
    arm.says("GET", "/replicationJobs", listed())
    arm.says("POST", "/testFailover", Reply(429, {"error": {"code": "TooManyRequests"}}, {"Retry-After": "17"}))
    made = await start_verbs(ask(*vms))
    assert {answer.outcome for answer in made.answers} == {"unanswered"}
    assert made.retry_after == timedelta(seconds=17)
    assert len(arm.sent("POST", "/testFailover")) <= 10
    assert sum(answer.code == "throttled" for answer in made.answers) >= 20


async def test_a_batch_costs_one_item_list_and_one_job_list(arm: FakeArm) -> None:
    vms = [f"vm-{n:02}" for n in range(50)]
    arm.says("GET", "/replicationProtectedItems", listed(*(item(vm) for vm in vms)))
    arm.says("GET", "/replicationJobs", listed())
    arm.says("POST", "/testFailover", *(accepted(f"j{n}") for n in range(50)))
    made = await start_verbs(ask(*vms))
    assert [answer.vm for answer in made.answers] == vms
    assert len({answer.job for answer in made.answers}) == 50
    assert len([one for one in arm.asked if one.method == "GET" and one.path != "/msi/token"]) == 2


async def test_when_the_jobs_cannot_be_read_nothing_is_sent(idle: FakeArm) -> None:
    idle.says("GET", "/replicationJobs", Reply(503))
    with pytest.raises(Transient):
        await start_verbs(ask())
    assert idle.sent("POST", "/testFailover") == []


HYPER_V = {"instanceType": "HyperVReplicaAzure"}
BODIES: list[tuple[Verb, str, str, Any]] = [
    (
        "TestFailover",
        "TestFailover",
        "testFailover",
        {
            "failoverDirection": "PrimaryToRecovery",
            "networkType": "VmNetworkAsInput",
            "networkId": NETWORK,
            "providerSpecificDetails": HYPER_V,
        },
    ),
    ("TestFailoverCleanup", "TestFailoverCleanup", "testFailoverCleanup", {"comments": "op-1"}),
    (
        "PlannedFailover",
        "PlannedFailover",
        "plannedFailover",
        {"failoverDirection": "PrimaryToRecovery", "providerSpecificDetails": HYPER_V},
    ),
    (
        "UnplannedFailover",
        "UnplannedFailover",
        "unplannedFailover",
        {
            "failoverDirection": "PrimaryToRecovery",
            "sourceSiteOperations": "Required",
            "providerSpecificDetails": HYPER_V,
        },
    ),
    ("Commit", "Commit", "failoverCommit", None),
    ("CancelFailover", "CancelFailover", "failoverCancel", None),
    ("Commit", "FinalizeFailback", "failoverCommit", None),
    (
        "Failback",
        "Failback",
        "plannedFailover",
        {
            "failoverDirection": "RecoveryToPrimary",
            "providerSpecificDetails": {
                "instanceType": "HyperVReplicaAzureFailback",
                "dataSyncOption": "ForSynchronization",
                "recoveryVmCreationOption": "NoAction",
            },
        },
    ),
    (
        "ReverseReplicate",
        "ReverseReplicate",
        "reProtect",
        {"failoverDirection": "PrimaryToRecovery", "providerSpecificDetails": HYPER_V},
    ),
]


@pytest.mark.parametrize(("verb", "allowed", "path", "properties"), BODIES)
async def test_each_verb_is_sent_as_the_service_wants_it(
    arm: FakeArm, verb: Verb, allowed: str, path: str, properties: Any
) -> None:
    location = "Recovery" if verb == "CancelFailover" else "Primary"
    arm.says("GET", "/sql-01", Reply(200, item(allowedOperations=[allowed], activeLocation=location)))
    arm.says("GET", "/replicationJobs", listed())
    arm.says("POST", f"/{path}", accepted("j1"))
    assert outcomes(await start_verbs(ask(verb=verb))) == [("started", "j1", "")]
    (sent,) = arm.sent("POST", f"{ITEM}/{path}")
    assert sent.body == ({"properties": properties} if properties else None)


async def test_a_dead_site_is_not_asked_to_shut_down(arm: FakeArm) -> None:
    arm.says("GET", "/sql-01", Reply(200, item()))
    arm.says("GET", "/replicationJobs", listed())
    arm.says("POST", "/unplannedFailover", accepted("j1"))
    await start_verbs(
        ask(verb="UnplannedFailover", options=VerbOptions(failover_type="unplanned", shut_down_source=False))
    )
    (sent,) = arm.sent("POST", "/unplannedFailover")
    assert sent.body["properties"]["sourceSiteOperations"] == "NotRequired"


def points(arm: FakeArm) -> None:
    """Two points, listed as no order promises."""
    arm.answers_at("GET", "/recoveryPoints", datetime(2026, 11, 22, 10, 10, tzinfo=UTC), listed(*map(point, (2, 9))))


def point(minute: int) -> dict[str, Any]:
    facts = {"recoveryPointTime": f"2026-11-22T10:0{minute}:00Z", "recoveryPointType": "CrashConsistent"}
    return {"id": f"{ITEM}/recoveryPoints/p{minute}", "name": f"p{minute}", "properties": facts}


@pytest.mark.parametrize(("rule", "name"), [("latestProcessed", "p9"), ("p2", "p2")])
async def test_a_verb_is_sent_with_the_point_that_is_meant(idle: FakeArm, rule: str, name: str) -> None:
    points(idle)
    start = ask()
    one = start.starts[0].model_copy(update={"point": rule})
    made = await start_verbs(start.model_copy(update={"starts": (one,)}))
    assert made.answers[0].point == name
    (sent,) = idle.sent("POST", "/testFailover")
    assert sent.body["properties"]["providerSpecificDetails"]["recoveryPointId"] == f"{ITEM}/recoveryPoints/{name}"


async def test_the_latest_point_is_left_to_the_vault_unless_it_may_be_too_old(idle: FakeArm) -> None:
    points(idle)
    assert outcomes(await start_verbs(ask(options=VerbOptions(max_age=timedelta(seconds=59))))) == [
        ("refused", "", "recovery-point-too-old")
    ]
    assert outcomes(await start_verbs(ask(options=VerbOptions(max_age=timedelta(minutes=2))))) == [
        ("started", "j1", "")
    ]
    (sent,) = idle.sent("POST", "/testFailover")
    assert "recoveryPointId" not in sent.body["properties"]["providerSpecificDetails"]


async def test_a_change_of_point_always_names_one(arm: FakeArm) -> None:
    points(arm)
    arm.says("GET", "/sql-01", Reply(200, item(allowedOperations=["Commit", "ChangePit"], activeLocation="Recovery")))
    arm.says("GET", "/replicationJobs", listed())
    arm.says("POST", "/applyRecoveryPoint", accepted("j1"))
    assert outcomes(await start_verbs(ask(verb="ChangePit"))) == [("started", "j1", "")]
    (sent,) = arm.sent("POST", "/applyRecoveryPoint")
    assert sent.body == {
        "properties": {"recoveryPointId": f"{ITEM}/recoveryPoints/p9", "providerSpecificDetails": HYPER_V}
    }


async def test_a_machine_that_may_be_made_again_is_sent_with_the_id_of_its_hosts_provider(arm: FakeArm) -> None:
    arm.says("GET", "/sql-01", Reply(200, item(allowedOperations=["Failback"], activeLocation="Recovery")))
    provider = f"{ITEM.partition('/replicationProtectionContainers')[0]}/replicationRecoveryServicesProviders/n1"
    arm.says("GET", "/replicationJobs", listed())
    arm.says("POST", "/plannedFailover", accepted("j1"))
    wish = ask(verb="Failback", options=VerbOptions(create_vm=True, data_sync="minimise-downtime"))
    start = wish.starts[0].model_copy(update={"provider": provider})
    await start_verbs(wish.model_copy(update={"starts": (start,)}))
    (sent,) = arm.sent("POST", "/plannedFailover")
    assert sent.body["properties"]["providerSpecificDetails"] == {
        "instanceType": "HyperVReplicaAzureFailback",
        "dataSyncOption": "ForDownTime",
        "recoveryVmCreationOption": "CreateVmIfNotFound",
        "providerIdForAlternateRecovery": provider,
    }


async def test_of_two_jobs_of_one_request_the_one_that_did_not_fail_is_followed(idle: FakeArm) -> None:
    """Two workers sent it at the same time: the later job met a busy item."""
    first = job("j1", state="InProgress", activityId=ours(), startTime="2026-11-22T10:01:00Z")
    second = job("j2", state="Failed", activityId=ours(), startTime="2026-11-22T10:01:01Z")
    idle.says("GET", "/replicationJobs", listed(first, second))
    assert outcomes(await start_verbs(ask())) == [("started", "j1", "")]
    assert idle.sent("POST", "/testFailover") == []


async def test_an_attempt_after_532_follows_the_job_of_the_earlier_one_that_made_the_item_busy(idle: FakeArm) -> None:
    works = job("j1", state="Succeeded", activityId=ours(), startTime="2026-11-22T10:01:00Z")
    failed = job("j2", state="Failed", activityId=ours(), startTime="2026-11-22T10:01:01Z")
    idle.says("GET", "/replicationJobs", listed(works, failed))
    again = ItemStart(vm="sql-01", item_id=ITEM, attempt=2, adopts_from=1)
    made = await start_verbs(ask().model_copy(update={"starts": (again,)}))
    assert outcomes(made) == [("started", "j1", "")]


async def test_an_attempt_after_532_is_sent_when_the_earlier_ones_have_only_failed(idle: FakeArm) -> None:
    failed = job("j9", state="Failed", activityId=ours(), startTime="2026-11-22T10:01:01Z")
    idle.says("GET", "/replicationJobs", listed(failed))
    again = ItemStart(vm="sql-01", item_id=ITEM, attempt=2, adopts_from=1)
    made = await start_verbs(ask().model_copy(update={"starts": (again,)}))
    assert outcomes(made) == [("started", "j1", "")]
    (sent,) = idle.sent("POST", "/testFailover")
    assert sent.headers["x-ms-client-request-id"] == client_request_id("op-1", ITEM, "TestFailover", 2)


async def test_an_attempt_that_a_person_wanted_adopts_nothing_of_earlier_ones(idle: FakeArm) -> None:
    done = job("j9", state="Succeeded", activityId=ours(), startTime="2026-11-22T10:01:01Z")
    idle.says("GET", "/replicationJobs", listed(done))
    assert outcomes(await start_verbs(ask(attempt=2))) == [("started", "j1", "")]
