"""What every request meets before its handler: tokens, routes, api-versions, buckets, bodies."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest

from lab.azure.arm import tokens
from lab.azure.arm.paging import paged_answer
from lab.azure.simulator.requests import ArmRequest
from lab.azure.simulator.throttle import Bucket
from tests.lab.azure.cloud import EXTENSION, MACHINES, N1, SUB, Cloud

GROUP = f"{SUB}/resourceGroups/rg-hci-arc"


async def test_a_call_without_a_token_is_challenged(cloud: Cloud) -> None:
    status, body, headers = await cloud.call("GET", N1, Authorization="")
    assert (status, body["error"]["code"]) == (401, "AuthenticationFailed")
    assert headers["WWW-Authenticate"].startswith('Bearer authorization_uri="https://login.microsoftonline.com/')


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("Bearer nonsense", "InvalidAuthenticationToken"),
        ("Bearer a.b.c", "InvalidAuthenticationToken"),
        (f"Bearer {tokens.issue_token('x', 'https://vault.azure.net')['token']}", "InvalidAuthenticationTokenAudience"),
    ],
)
async def test_a_wrong_token_is_refused(cloud: Cloud, token: str, code: str) -> None:
    status, body, _ = await cloud.call("GET", N1, Authorization=token)
    assert (status, body["error"]["code"]) == (401, code)


async def test_the_managed_identity_endpoint_issues_a_token_that_arm_takes(cloud: Cloud) -> None:
    url = f"{cloud.base}/msi/token?resource=https://management.azure.com"
    status, body, _ = await cloud.call("GET", url, version="2019-08-01", X_IDENTITY_HEADER="lab-identity")
    assert (status, body["token_type"]) == (200, "Bearer")
    assert int(body["expires_on"]) > datetime.now(UTC).timestamp()
    status, _, _ = await cloud.call("GET", N1, Authorization=f"Bearer {body['access_token']}")
    assert status == 200


async def test_the_managed_identity_endpoint_wants_its_header(cloud: Cloud) -> None:
    url = f"{cloud.base}/msi/token?resource=https://management.azure.com"
    status, _, _ = await cloud.call("GET", url, version="2019-08-01", X_IDENTITY_HEADER="guess")
    assert status == 401


async def test_client_credentials_issue_a_token_that_arm_takes(cloud: Cloud) -> None:
    form = {"grant_type": "client_credentials", "client_id": "me", "client_secret": "s"}
    scope = {"scope": "https://management.azure.com/.default"}
    async with cloud.http.post(f"{cloud.base}/tenant/oauth2/v2.0/token", data=form | scope) as answer:
        token = (await answer.json())["access_token"]
    async with cloud.http.post(f"{cloud.base}/tenant/oauth2/v2.0/token", data=form) as answer:
        assert (answer.status, (await answer.json())["error"]) == (400, "invalid_request")
    status, _, _ = await cloud.call("GET", N1, Authorization=f"Bearer {token}")
    assert status == 200


async def test_an_api_version_is_required_and_must_be_known(cloud: Cloud) -> None:
    status, body, _ = await cloud.call("GET", N1, version=None)
    assert (status, body["error"]["code"]) == (400, "MissingApiVersionParameter")
    status, body, _ = await cloud.call("GET", N1, version="1999-01-01")
    assert (status, body["error"]["code"]) == (400, "NoRegisteredProviderFound")
    assert "2026-07-15" in body["error"]["message"]


async def test_what_is_not_simulated_is_a_loud_501(cloud: Cloud) -> None:
    for method, path in (
        ("GET", f"{SUB}/providers/Microsoft.Nothing/things"),
        ("POST", f"{N1}/assessPatches"),
        ("POST", "/lab/nothing"),
    ):
        status, body, _ = await cloud.call(method, path)
        assert (status, body["error"]["code"]) == (501, "NotSimulated")


async def test_what_is_not_there_is_a_404_that_says_what(cloud: Cloud) -> None:
    status, body, _ = await cloud.call("GET", f"{MACHINES}/nobody")
    assert (status, body["error"]["code"]) == (404, "ResourceNotFound")
    assert "Microsoft.HybridCompute/machines/nobody" in body["error"]["message"]
    status, body, _ = await cloud.call("GET", N1.replace("rg-hci-arc", "rg-none"))
    assert (status, body["error"]["code"]) == (404, "ResourceGroupNotFound")
    status, body, _ = await cloud.call("GET", N1.replace("11111111", "99999999"))
    assert (status, body["error"]["code"]) == (404, "SubscriptionNotFound")


async def test_paths_are_matched_without_casing_and_ids_keep_theirs(cloud: Cloud) -> None:
    status, body, _ = await cloud.call("GET", N1.upper())
    assert status == 200
    assert body["id"] == N1


async def test_every_answer_says_which_request_it_is_for(cloud: Cloud) -> None:
    correlation = "0f3c0f0e-0000-4000-8000-000000000001"
    _, _, headers = await cloud.call("GET", N1, x_ms_correlation_request_id=correlation)
    assert headers["x-ms-correlation-request-id"] == correlation
    assert len(headers["x-ms-request-id"]) == 36
    assert headers["x-ms-ratelimit-remaining-subscription-reads"] == "249"


@pytest.mark.parametrize("body", [None, [], "text", {"location": "westeurope"}, {"properties": {"publisher": 1}}])
async def test_a_wrong_body_is_a_400_and_does_nothing(cloud: Cloud, body: object) -> None:
    status, answer, _ = await cloud.call("PUT", f"{N1}/extensions/other", body)
    assert (status, answer["error"]["code"]) == (400, "InvalidRequestContent")
    assert await cloud.control("GET", "ledger") == []


async def test_a_caller_who_drained_the_bucket_waits_on_the_simulated_clock(cloud: Cloud) -> None:
    statuses = [(await cloud.call("GET", N1))[0] for _ in range(251)]
    assert statuses == [200] * 250 + [429]
    status, body, headers = await cloud.call("GET", N1)
    assert (status, body["error"]["code"]) == (429, "SubscriptionRequestsThrottled")
    assert headers["Retry-After"] == "1", "who comes too early is told no more than who comes in time"
    cloud.pass_time(seconds=2)
    assert (await cloud.call("GET", N1))[0] == 200
    assert (await cloud.control("GET", "state"))["throttled"] == 2


async def test_another_principal_has_a_bucket_of_its_own(cloud: Cloud) -> None:
    for _ in range(251):
        await cloud.call("GET", N1)
    other = tokens.issue_token("someone", "https://management.azure.com")["token"]
    assert (await cloud.call("GET", N1, Authorization=f"Bearer {other}"))[0] == 200


def test_a_bucket_refills_at_its_rate_and_no_higher_than_its_size() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    bucket = Bucket(size=2, rate=10, tokens=2, at=start)
    assert [bucket.take_token(start) for _ in range(3)] == [None, None, 1]
    later = start + timedelta(seconds=60)
    assert [bucket.take_token(later) for _ in range(3)] == [None, None, 1]


def test_a_list_goes_on_page_after_page_and_can_end_in_a_link_to_an_empty_one() -> None:
    values = [{"n": number} for number in range(5)]
    request = ArmRequest(
        "GET", "/things", {"api-version": "1"}, {}, None, "http://lab", datetime(2026, 1, 1, tzinfo=UTC)
    )
    listed: list[dict[str, int]] = []
    pages = 0
    while True:
        page = paged_answer(request, values, size=2, empty_tail=True).body
        pages, listed = pages + 1, listed + page["value"]
        if page["nextLink"] is None:
            break
        assert page["nextLink"].startswith("http://lab/things?api-version=1&")
        query = {name.lower(): value for name, value in parse_qsl(urlsplit(page["nextLink"]).query)}
        request = replace(request, query=query)
    assert (listed, pages) == (values, 4)
    assert page["value"] == []


async def test_the_generic_list_is_filtered_by_type(cloud: Cloud) -> None:
    path = f"{GROUP}/resources"
    wanted = "resourceType%20eq%20'Microsoft.HybridCompute/machines'"
    _, body, _ = await cloud.call("GET", f"{path}?$filter={wanted}", version="2025-04-01")
    assert [each["name"] for each in body["value"]] == ["jump-01", "hci-01-n1", "hci-01-n2", "hci-01-n3"]
    _, body, _ = await cloud.call("GET", path, version="2025-04-01")
    assert EXTENSION in [each["name"] for each in body["value"]]
    status, _, _ = await cloud.call("GET", f"{path}?$skipToken=guess", version="2025-04-01")
    assert status == 400


UNKNOWN_QUERIES = (
    "$filter=colour%20eq%20'red'",
    "$filter=resourceType%20eq%20'A'%20or%20resourceType%20eq%20'B'",
    "$filter=substringof('nothing',%20name)",
    "$filter=resourceType%20eq%20'A'%20and%20tagName%20eq%20'b'",
    "$top=2",
    "$orderby=name",
    "$expand=changedTime",
)


@pytest.mark.parametrize("query", UNKNOWN_QUERIES)
@pytest.mark.parametrize("path", [f"{GROUP}/resources", f"{SUB}/resources", f"{SUB}/resourcegroups"])
async def test_a_filter_or_an_option_that_is_not_known_is_501_and_never_ignored(
    path: str, query: str, cloud: Cloud
) -> None:
    assert (await cloud.call("GET", f"{path}?{query}", version="2025-04-01"))[0] == 501


async def test_rights_that_were_taken_away_are_missed(cloud: Cloud) -> None:
    """403 in ARM's words, for what no role names; what may be done can be asked all the same."""
    await cloud.control("PUT", "world", {"rights": {"actions": ["*/read"]}})
    vault = f"{SUB}/resourceGroups/rg-dr/providers/Microsoft.RecoveryServices/vaults/vault-dr"
    assert (await cloud.call("GET", vault, version="2025-08-01"))[0] == 200
    policy = {"properties": {"providerSpecificInput": {"instanceType": "HyperVReplicaAzure"}}}
    status, body, _ = await cloud.call("PUT", f"{vault}/replicationPolicies/p", policy, version="2025-08-01")
    assert (status, body["error"]["code"]) == (403, "AuthorizationFailed")
    assert "Microsoft.RecoveryServices/vaults/replicationPolicies/write" in body["error"]["message"]
    asked = f"{vault}/providers/Microsoft.Authorization/permissions"
    _, body, _ = await cloud.call("GET", asked, version="2022-04-01")
    assert body["value"][0]["actions"] == ["*/read"]
    await cloud.control("PUT", "world", {"rights": {"actions": ["*"], "notActions": ["*/testFailover/action"]}})
    assert (await cloud.call("PUT", f"{vault}/replicationPolicies/p", policy, version="2025-08-01"))[0] != 403


async def test_a_lock_binds_every_call_below_it(cloud: Cloud) -> None:
    vault = f"{SUB}/resourceGroups/rg-dr/providers/Microsoft.RecoveryServices/vaults/vault-dr"
    lock = f"{vault}/providers/Microsoft.Authorization/locks/no-change"
    assert (await cloud.call("PUT", lock, {"properties": {"level": "ReadOnly"}}, version="2020-05-01"))[0] == 201
    _, items, _ = await cloud.call("GET", f"{vault}/replicationProtectedItems", version="2025-08-01")
    item = items["value"][0]["id"]
    for method, path in (("POST", f"{item}/testFailover"), ("PATCH", item), ("DELETE", item), ("PATCH", vault)):
        status, body, _ = await cloud.call(method, path, {"properties": {}}, version="2025-08-01")
        assert (status, body["error"]["code"]) == (409, "ScopeLocked"), path
    assert (await cloud.call("DELETE", lock, version="2020-05-01"))[0] == 200
