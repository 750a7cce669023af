"""The evidence of a run over HTTP: its manifest, and the whole pack as a zip file."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from activities.durable_state import read_output
from activities.evidence import read_pack
from activities.evidence_log import make_checkpoint
from shared.azure.evidence_key import open_signing_key
from shared.evidence import verify
from shared.evidence.chain import FIRST_PREVIOUS
from shared.evidence.log_of_heads import NO_KEY
from shared.evidence.verify import (
    LOG,
    LOG_ENTRY,
    MANIFEST,
    VERIFIER,
    check_pack,
    read_json,
    sha256_of,
    signature_in_words,
)
from triggers.http_endpoint import handle_for_role, json_response, not_found, read_choice

bp = df.Blueprint()
VERIFIER_CONTENT = Path(verify.__file__).read_bytes()


@bp.function_name("get_evidence")
@bp.route("operations/{id}/evidence", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read", "format", media_types=("application/json", "application/zip"), is_evidence=True)
async def get_evidence(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """The manifest of a run's evidence, and whether it holds; with `?format=zip` the pack itself.

    It outlives the run's history: what matters is what is kept.
    """
    run = req.route_params["id"]
    wanted_format = read_choice(req, "format", ("json", "zip"))
    if run == LOG or not run.replace("-", "").isalnum() or not (files := await read_pack(run)):
        raise not_found("evidence", run)
    if wanted_format != "zip":
        return json_response(_manifest_view(run, files, await _read_head(client, run)))
    headers = {"Content-Disposition": f'attachment; filename="{run}.zip"'}
    return func.HttpResponse(_zip_of(files), mimetype="application/zip", headers=headers)


@bp.function_name("get_evidence_key")
@bp.route("evidence/key", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read")
async def get_evidence_key(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """The public key that evidence is signed with now, as a JWK: to be kept elsewhere, for whoever checks."""
    key = open_signing_key()
    if key is None:
        raise not_found("key", f"EVIDENCE_KEY: {NO_KEY}")
    public_key = await key.read_public_key()
    return json_response({**public_key.jwk, "kid": public_key.thumbprint, "alg": "ES256", "use": "sig"})


@bp.function_name("get_evidence_checkpoint")
@bp.route("evidence/checkpoint", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read", is_evidence=True)
async def get_evidence_checkpoint(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """How long the log of heads is now, and with what it ends: kept elsewhere, it shows a log that was cut later."""
    return json_response(read_json(await make_checkpoint()))


def _zip_of(files: Mapping[str, bytes]) -> bytes:
    """The pack with what checks it, the same bytes each time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted({VERIFIER: VERIFIER_CONTENT, **files}.items()):
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


async def _read_head(client: df.DurableFunctionsClient, run: str) -> str:
    """The digest of its last record as the run says it; empty where the engine does not know the run any more."""
    state = await client.get_orchestration_state(run)
    facts = read_output(state).get("facts") if state else None
    evidence = facts.get("evidence") if isinstance(facts, dict) else None
    return str(evidence.get("head", "")) if isinstance(evidence, dict) else ""


def _manifest_view(run: str, files: dict[str, bytes], head: str) -> dict[str, Any]:
    if MANIFEST in files:
        errors = [f"{flaw.file}: {flaw.detail}" for flaw in check_pack(files, head, run)]
        entry = read_json(files.get(LOG_ENTRY, b""))
        return {
            **read_json(files[MANIFEST]),
            "sealed": True,
            "intact": not errors,
            "integrityErrors": errors,
            "signed": "signature" in entry,
            "signature": signature_in_words(files),
            "logEntry": entry or None,
        }
    names = sorted(name for name in files if name.startswith("records/"))
    records = [{"name": name, "sha256": sha256_of(files[name])} for name in names]
    head = records[-1]["sha256"] if records else FIRST_PREVIOUS
    return {"pack": run, "sealed": False, "records": records, "head": head}
