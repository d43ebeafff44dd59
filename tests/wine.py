"""Windows programs on this machine: one prefix of wine for a run of tests, gone with its processes at the end."""

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

WINE, WINESERVER = Path("/usr/lib/wine/wine64"), Path("/usr/lib/wine/wineserver64")
PATIENCE = 90  # seconds for one program, the first start of a prefix included
USER = "tester"
FOLDER = "Program Files/ERenkei"
MENU = "ProgramData/Microsoft/Windows/Start Menu/Programs/企業年金電子連携サービス"
CONFIRM = "インストール確認.exe"

needs_wine = pytest.mark.skipif(not (WINE.exists() and WINESERVER.exists()), reason="wine64 is not installed")
needs_makensis = pytest.mark.skipif(shutil.which("makensis") is None, reason="makensis is not installed")
needs_signer = pytest.mark.skipif(shutil.which("osslsigncode") is None, reason="osslsigncode is not installed")


@dataclass(frozen=True)
class Windows:
    """A PC: its drive C: is `drive`, whatever its people write lies on `desktop`."""

    home: Path
    prefix: Path

    @property
    def drive(self) -> Path:
        return self.prefix / "drive_c"

    @property
    def desktop(self) -> Path:
        return self.drive / "users" / USER / "Desktop"

    @property
    def folder(self) -> Path:
        """Where an installer puts its files."""
        return self.drive / FOLDER

    @property
    def menu(self) -> Path:
        return self.drive / MENU

    def run(self, program: str | Path, *arguments: str) -> int:
        """The exit code of a program given by its path here or as Windows calls it."""
        command = [str(WINE), str(program), *arguments]
        return subprocess.run(
            command,
            env=self._surroundings(),
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=PATIENCE,
        ).returncode

    def install(self, setup: Path) -> int:
        return self.run(setup, "/S")

    def uninstall(self) -> None:
        """It goes on from a copy of itself: over when its folder is gone, and last its key."""
        assert self.run(self.folder / "uninstall.exe", "/S") == 0
        assert self.waits_until(lambda: not self.folder.exists()), "the folder is still there"
        assert self.waits_until(lambda: self.registered("Contract") is None), "its key is still there"

    def confirm(self) -> Path:
        """インストール確認 once; the file it has written to the desktop."""
        before = set(self.codes())
        assert self.run(self.folder / CONFIRM, "/S") == 0
        (written,) = set(self.codes()) - before
        return written

    def codes(self) -> list[Path]:
        return sorted(self.desktop.glob("確認コード*"))

    def registered(self, value: str) -> str | None:
        """A value of the installation's key in the registry; None when it has none."""
        command = [str(WINE), "reg", "query", r"HKLM\Software\ERenkei", "/v", value, "/reg:64"]
        told = subprocess.run(command, env=self._surroundings(), capture_output=True, timeout=PATIENCE)
        words = told.stdout.decode(errors="replace").split()
        return words[words.index("REG_SZ") + 1] if told.returncode == 0 and "REG_SZ" in words else None

    @staticmethod
    def waits_until(is_so: object, patience: float = 20) -> bool:
        until, pause = time.monotonic() + patience, threading.Event()
        while not is_so():  # type: ignore[operator]
            if time.monotonic() > until:
                return False
            pause.wait(0.02)
        return True

    def start(self) -> None:
        assert self.run("wineboot", "-i") == 0, "wine could not make a prefix"

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Somebody sits at it: with no program at work Windows goes down, and the next one waits ten seconds for it."""
        sitting = subprocess.Popen(
            [str(WINE), "cmd"],
            env=self._surroundings(),
            cwd=self.home,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield
        finally:
            sitting.kill()
            sitting.communicate()

    def end(self) -> None:
        """Every program of this prefix, and its server."""
        for word in ("-k", "-w"):
            subprocess.run([str(WINESERVER), word], env=self._surroundings(), timeout=PATIENCE, capture_output=True)

    def _surroundings(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "USER": USER,
            "LANG": "C.UTF-8",
            "WINEPREFIX": str(self.prefix),
            "WINEARCH": "win64",
            "WINEDEBUG": "-all",
            "WINEDLLOVERRIDES": "winemenubuilder.exe=d;mscoree=d;mshtml=d",
        }

    def clear(self) -> None:
        """As it was before anybody installed anything."""
        if (self.folder / "uninstall.exe").exists():
            self.uninstall()
        for code in self.desktop.glob("*.txt"):
            code.unlink()


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Windows"]:
    """One prefix for a run of tests: it takes some seconds to make."""
    if not (WINE.exists() and WINESERVER.exists()):
        pytest.skip("wine64 is not installed")
    with windows(tmp_path_factory.mktemp("wine") / "pc") as made:
        yield made


@pytest.fixture
def pc(machine: "Windows") -> Iterator["Windows"]:
    """A PC without an installation of ours, for one test, whatever tests of another file have left on it."""
    machine.clear()
    yield machine
    machine.clear()


@contextmanager
def windows(folder: Path) -> Iterator[Windows]:
    """A fresh PC in that folder, gone with all it holds at the end: hundreds of megabytes."""
    pc = Windows(folder / "home", folder / "prefix")
    pc.home.mkdir(parents=True)
    try:
        pc.start()
        with pc.awake():
            yield pc
    finally:
        pc.end()
        shutil.rmtree(folder, ignore_errors=True)
