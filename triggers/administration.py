"""Acts of administration over HTTP: who declared, changed, held, settled, was refused and read what."""

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlencode

import azure.durable_functions as df
import azure.functions as func
from pydantic import Field, StringConstraints

from activities.administration_log import read_acts
from shared.documents import TimeWithZone
from shared.evidence.administration import ActKind, ActQuestion
from shared.evidence.log_of_heads import MOST_ENTRIES
from shared.messages import Document
from triggers.http_endpoint import handle_for_role, json_response

bp = df.Blueprint()
LIST = "/api/evidence/administration"
MOST = 500


class ActQuery(Document):
    """What the query asks for; what is left out narrows nothing.

    Attributes:
        person: Object id or name of who did it.
        top: After how many acts a page ends.
        before: From the `nextLink` of the page before.
    """

    act: ActKind | None = None
    person: Annotated[str, StringConstraints(max_length=200)] = ""
    since: TimeWithZone | None = None
    until: TimeWithZone | None = None
    top: Annotated[int, Field(ge=1, le=MOST)] = 100
    before: Annotated[int, Field(ge=0, le=MOST_ENTRIES)] = 0


@bp.function_name("list_administration")
@bp.route("evidence/administration", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read", "act", "person", "since", "until", "top", "before", is_evidence=True)
async def list_administration(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """A page of acts of administration, newest first, by `act`, `person`, `since` and `until`; about `top` of them.

    A page ends with a whole entry of the log, and may have few acts where many entries are of packs.
    """
    params: Mapping[str, str] = req.params
    given = {name: params[name] for name in ActQuery.model_fields if name in params}  # a key may stand beside them
    query = ActQuery.model_validate(given)
    question = ActQuestion(query.act or "", query.person, query.since, query.until, query.before)
    page = await read_acts(question, query.top)
    answer = {"value": page.value, "integrityErrors": page.flaws}
    if not page.before:
        return json_response(answer)
    link = urlencode({**given, "before": page.before})
    return json_response(answer | {"nextLink": f"{LIST}?{link}"})
