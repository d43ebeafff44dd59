"""Chromium as every test starts it, in the build without windows where there is one: no picture card, no calls home, no
name that leads out of this machine.
"""

import shutil

PROGRAM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
PATIENCE = 30_000  # milliseconds: two cores may be busy with other tests
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def flags(*reached: str) -> list[str]:
    """Whatever a page asks for, nothing but the loopback and these addresses leads anywhere."""
    exceptions = "".join(f", EXCLUDE {address}" for address in ("127.0.0.1", *reached))
    return [*FLAGS, f"--host-resolver-rules=MAP * ~NOTFOUND{exceptions}"]
