"""The judge of archives under inputs that look for its unreached lines: no crash, no hang, nothing accepted that 7-Zip
would refuse.
"""

import importlib.util
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.exchange.archive_corpus import CASES
from tests.exchange.archive_writer import PASSWORD
from tests.processes import IS_SOAK

PROGRAM = Path(__file__).with_name("fuzzing.py")
RUNS = 100_000 if IS_SOAK else 2_000
RECIPES, RECIPE_BYTES = 300, 200
LARGEST = 8192  # bytes of a seed

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris (PyPI) is not installed"),
    pytest.mark.skipif(shutil.which("7zz") is None, reason="7zz (Debian package 7zip) is not installed"),
]


@pytest.fixture
def seeds(tmp_path: Path) -> Path:
    """The archives of the corpus and some recipes."""
    folder = tmp_path / "seeds"
    folder.mkdir()
    archives = [case.build() for case in CASES if case.password == PASSWORD]
    rng = random.Random(20261123)
    inputs = [b"\0" + archive for archive in archives if len(archive) < LARGEST]
    inputs += [b"\1" + rng.randbytes(RECIPE_BYTES) for _ in range(RECIPES)]
    for number, data in enumerate(inputs):
        (folder / f"{number:04}").write_bytes(data)
    return folder


def test_no_input_crashes_or_hangs_the_judge_and_7zip_takes_what_it_takes(
    seeds: Path, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    accepted = tmp_path / "accepted"
    accepted.mkdir()
    command = [sys.executable, str(PROGRAM), str(seeds), str(accepted), str(RUNS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr[-4000:]
    (runs,) = re.findall(r"^Done (\d+) runs", done.stderr, re.MULTILINE)
    assert int(runs) >= RUNS
    passed = sorted(accepted.glob("*.zip"))
    assert passed
    refused = [path.name for path in passed if _exit_code_of_7zip(path)]
    assert refused == []
    record_property("fuzzing the judge", f"{runs} inputs, {len(passed)} archives accepted, by 7-Zip as well")


def _exit_code_of_7zip(path: Path) -> int:
    return subprocess.run(["7zz", "t", f"-p{PASSWORD}", str(path)], capture_output=True).returncode
