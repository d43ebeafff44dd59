"""The judge of archives against those whose verdict was written by hand, and against fifty honest ones."""

import re
import sys
import time
from pathlib import Path

import pytest

from tests.exchange.archive_corpus import CASES
from tests.exchange.archive_corpus_cases import Case
from tests.exchange.archive_judging import codes_of, judged, run

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_each_archive_of_the_corpus_gets_its_verdict(case: Case) -> None:
    data = case.build()
    began = time.process_time()
    inspection = judged(data, case.password)
    spent = time.process_time() - began
    assert (inspection.verdict, codes_of(inspection)) == (case.verdict, case.codes), inspection.findings
    assert case.names is None or tuple(entry.name for entry in inspection.entries) == case.names
    # A thousand entries cost a thousand key derivations, which is honest work; nothing hostile may take a second.
    assert spent < (2 if case.verdict == "accept" else 1)
    for finding in inspection.findings:
        assert finding.message.isprintable()
        assert finding.message.endswith("。")


def test_the_corpus_is_judged_in_little_memory() -> None:
    script = (
        "import io\n"
        "from pathlib import Path\n"
        "from exchange.archives import inspect\n"
        "from tests.exchange.archive_corpus import CASES\n"
        "for case in CASES:\n"
        "    if case.label == 'a thousand entries':\n"
        "        continue  # much work, and no more memory than the others\n"
        "    inspect(io.BytesIO(case.build()), case.password)\n"
        "print(Path('/proc/self/status').read_text())\n"
    )
    status = run(sys.executable, "-c", script, cwd=ROOT)  # getrusage would count the process that started it
    (kilobytes,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
    assert int(kilobytes) < 200_000
