"""How tests ask the judge of archives."""

import hashlib
import io
import subprocess
from pathlib import Path

from exchange import archives
from exchange.archives import Limits, inspect
from tests.exchange.archive_writer import PASSWORD


def judged(data: bytes, password: str = PASSWORD, **limits: int) -> archives.Inspection:
    return inspect(io.BytesIO(data), password, Limits(**limits))


def codes_of(inspection: archives.Inspection) -> set[str]:
    return {finding.code for finding in inspection.findings}


def run(*command: str, cwd: Path | None = None) -> str:
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
