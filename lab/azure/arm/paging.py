"""Lists as ARM pages them."""

from urllib.parse import urlencode

from lab.azure.simulator.answers import Answer, Json, bad_request
from lab.azure.simulator.requests import ArmRequest


def paged_answer(request: ArmRequest, values: list[Json], size: int = 100, *, empty_tail: bool = False) -> Answer:
    """A page of `values` with a nextLink to the following one.

    Args:
        request: Its $skipToken says how many came before.
        values: The whole list.
        size: Values a page.
        empty_tail: The last page that has values links to one that has none, as Site Recovery's lists do.

    Raises:
        ArmError: 400 for a $skipToken that this list did not give.
    """
    token = request.query.get("$skiptoken") or "0"
    if not token.isdecimal():
        raise bad_request("InvalidSkipToken", f"The provided $skipToken '{token}' is not valid.")
    offset = int(token)
    page = values[offset : offset + size]
    more = offset + len(page) < len(values) or (empty_tail and bool(page))
    link = f"{request.base}{request.path}?{urlencode(_following(request, offset + len(page)))}" if more else None
    return Answer(200, {"value": page, "nextLink": link})


def _following(request: ArmRequest, offset: int) -> dict[str, str]:
    kept = {name: value for name, value in request.query.items() if name != "$skiptoken"}
    return kept | {"$skipToken": str(offset)}
