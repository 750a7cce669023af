"""The page for people: its files as they were built, and who is looking.

The files hold nothing that is secret, and a person who is not signed in yet needs them to sign in: they are answered to
everybody. What they show they ask of the API, which lets in whom it always does.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import azure.durable_functions as df
import azure.functions as func

from shared.settings import WrongSettings
from triggers.http_endpoint import SAFE_HEADERS, caller_of, handle_for_role, json_response, read_settings

bp = df.Blueprint()
FILES = Path(__file__).parent / "ui_files"
INDEX = "index.html"
DOOR = "door.json"
MEDIA_TYPES: Mapping[str, str] = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}
"""Of the files that are answered, by the ends of their names: any other file is none of the page's."""
UI_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
UI_HEADERS = {**SAFE_HEADERS, "Content-Security-Policy": UI_POLICY, "Cross-Origin-Opener-Policy": "same-origin"}


@bp.function_name("get_ui")
@bp.route("ui", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def get_ui(req: func.HttpRequest) -> func.HttpResponse:
    """The page."""
    return _file_response(req, INDEX)


@bp.function_name("get_ui_file")
@bp.route("ui/{file}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def get_ui_file(req: func.HttpRequest) -> func.HttpResponse:
    """A file of the page, or which door the app has."""
    name = req.route_params["file"]
    return _door_response() if name == DOOR else _file_response(req, name)


@bp.function_name("get_me")
@bp.route("me", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read")
async def get_me(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Who is asking, as the app knows them, with the roles that they have."""
    caller = caller_of(req)
    return json_response({"name": caller.name, "id": caller.id, "roles": sorted(caller.roles)})


@cache
def read_files() -> Mapping[str, tuple[bytes, str]]:
    """Each file of the page with its entity tag, by name; read once, so that no request names a path."""
    found = [path for path in FILES.iterdir() if path.suffix in MEDIA_TYPES]
    return {path.name: (content := path.read_bytes(), _tag_of(content)) for path in found}


def _tag_of(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def _file_response(req: func.HttpRequest, name: str) -> func.HttpResponse:
    """The file, or 304 to a browser that has it: it is asked again each time, so that a new release is seen at once."""
    if name not in read_files():
        return func.HttpResponse("There is no such file.", status_code=404, mimetype="text/plain", headers=UI_HEADERS)
    content, tag = read_files()[name]
    headers = {**UI_HEADERS, "Cache-Control": "no-cache", "ETag": tag}
    if tag in req.headers.get("If-None-Match", ""):
        return func.HttpResponse(status_code=304, headers=headers)
    return func.HttpResponse(content, mimetype=MEDIA_TYPES[Path(name).suffix], charset="utf-8", headers=headers)


def _door_response() -> func.HttpResponse:
    """How one signs in here; null where the app's settings let nobody in."""
    try:
        door = read_settings().door
    except WrongSettings:
        door = None
    return func.HttpResponse(json.dumps({"door": door}), mimetype="application/json", headers=UI_HEADERS)
