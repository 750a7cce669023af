"""The evidence of a run over HTTP: its manifest, and the whole pack as a zip file."""

import io
import zipfile
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from activities.evidence import read_pack
from shared.evidence.chain import MANIFEST, START, digest
from shared.evidence.verify import check, read
from shared.problem_details import FieldError
from triggers.http_endpoint import Problem, answer, handled, missing

bp = df.Blueprint()


@bp.route("operations/{id}/evidence", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handled("Dr.Read")
async def get_evidence(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """The manifest of a run's evidence, and whether it holds; with `?format=zip` the pack itself.

    It outlives the run's history: what matters is what is kept.
    """
    run = req.route_params["id"]
    wanted = req.params.get("format", "json")
    if wanted not in {"json", "zip"}:
        detail = f"format is json or zip, not {wanted!r}."
        raise Problem(400, "Invalid request", detail, [FieldError(field="format", detail=detail)])
    if not run.replace("-", "").isalnum() or not (files := await read_pack(run)):
        raise missing("evidence", run)
    return _zipped(run, files) if wanted == "zip" else answer(_told(run, files))


def _told(run: str, files: dict[str, bytes]) -> dict[str, Any]:
    if MANIFEST in files:
        found = check(files)
        told = {"sealed": True, "intact": not found, "findings": [f"{one.file}: {one.detail}" for one in found]}
        return {**read(files[MANIFEST]), **told}
    names = sorted(name for name in files if name.startswith("records/"))
    listed = [{"name": name, "sha256": digest(files[name])} for name in names]
    return {"pack": run, "sealed": False, "records": listed, "head": listed[-1]["sha256"] if listed else START}


def _zipped(run: str, files: dict[str, bytes]) -> func.HttpResponse:
    """The pack as `shared.evidence.verify` reads it, the same bytes each time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    headers = {"Content-Disposition": f'attachment; filename="{run}.zip"'}
    return func.HttpResponse(buffer.getvalue(), mimetype="application/zip", headers=headers)
