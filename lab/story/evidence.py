"""Checks the evidence of a whole story as an auditor would: with the verifier alone, and the key that signs packs."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

VERIFIER = Path(__file__).parents[2] / "shared" / "evidence" / "verify.py"
"""One file that needs nothing but Python; it is run as it is, and not imported."""
LONGEST_OUTPUT = 500


def verify_store(store: Path, key: Mapping[str, Any]) -> list[str]:
    """What is wrong with the packs of a store and with the log that names them; nothing where all are as sealed.

    Args:
        key: The public key of the app, as it shows it.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "key.json"
        file.write_text(json.dumps(key))
        command = [sys.executable, "-I", str(VERIFIER), "--key", str(file), "--log", str(store)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own verifier
    said = (done.stdout + done.stderr).strip()
    return [] if done.returncode == 0 else [f"the evidence does not verify: {said[-LONGEST_OUTPUT:]}"]
