"""`python -m bench [P5 P12 …]`: one JSON line per goal.

A missed goal is a line like any other; a measurement that broke is exit code 1.
"""

import sys
import traceback

from bench import p02_verify, p03_zipcrypto, p05_upload, p12_start, p_activation, p_letters

GOALS = {
    "P2": p02_verify.run,
    "P3": p03_zipcrypto.run,
    "P5": p05_upload.run,
    "P12": p12_start.run,
    "LETTERS": p_letters.run,
    "ACTIVATION": p_activation.run,
}


def main(wanted: list[str]) -> int:
    unknown = set(wanted) - GOALS.keys()
    if unknown:
        sys.exit(f"unknown goals: {', '.join(sorted(unknown))} (there are {', '.join(GOALS)})")
    broken = 0
    for name in wanted or GOALS:
        try:
            for line in GOALS[name]():
                print(line.as_json(), flush=True)
        except Exception:
            traceback.print_exc()
            broken = 1
    return broken


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
