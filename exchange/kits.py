"""What an office installs on a PC: setup.exe, built by makensis for one device slot, with what only that PC shall have.

makensis reads its parts from files: they lie in a folder of their own under the installation's tmp, for nobody else to
read, and are gone when it has ended, however it ended.
"""

import contextlib
import fcntl
import logging
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from exchange import certificates, settings, vpn_file
from exchange.errors import NotConfigured, Unusable

SERVER_CERTIFICATE = "vpn/server.pem"  # in the installation's folder, unless configured elsewhere
PATIENCE = 90  # seconds for all the steps of one installer, less than a job's lease
CONFIRM_FILE = "インストール確認.exe"
SETUP_FILE = "setup.exe"
VPN_FILE = "renkei.vpn"
CLIENT_FILE = "vpnclient.exe"
SIGNER = "osslsigncode"
NOT_IN_SCRIPTS = str.maketrans('$"`\\', "＄＂｀＼")
TEMPLATES = Path(__file__).resolve().parent.parent / "templates" / "installers"

NO_MAKENSIS = (
    "インストーラーを作るプログラム（makensis）が、サーバーにありません。サーバーの管理者に、Debian の nsis の導入"
    "（apt-get install nsis）を依頼してください。"
)
NO_HOST = (
    "接続先が決まっていません。基金事務局に、「基金の設定」で「VPNサーバーのアドレス」を入力するよう依頼してください。"
)
NO_CERTIFICATE = (
    "VPNサーバーの証明書を読めません。サーバーの管理者に、設定 VPN_CERTIFICATE の場所に証明書（PEM）を置くよう"
    "依頼してください。"
)
NO_CLIENT = (
    "設定 VPN_CLIENT_SETUP の場所に、SoftEther VPN Client のインストーラーがありません。サーバーの管理者に、"
    "ファイルを置くか、設定を空にするよう依頼してください。"
)
NO_SIGNING = (
    "署名の証明書と秘密鍵を読めません。サーバーの管理者に、設定 SIGNING_CERTIFICATE と SIGNING_KEY の場所に"
    "両方を置くよう依頼してください。"
)
NO_SIGNER = (
    "署名するプログラム（osslsigncode）が、サーバーにありません。サーバーの管理者に、Debian の osslsigncode の導入"
    "（apt-get install osslsigncode）を依頼してください。"
)

log = logging.getLogger("todoke.kits")


class BuildFailed(Exception):
    """A program gave no installer; the text names the program and how it ended, never what it said: that may quote a
    key.
    """


@dataclass(frozen=True)
class Workshop:
    """What installers are made with and lead to. `folder`: for what lies on the disk meanwhile; addresses end without a
    slash; `auth_base_url`: the site as the PCs see it inside the VPN; paths are None where nothing is configured.
    """

    folder: Path
    base_url: str
    auth_base_url: str
    hub: str
    port: int
    server_certificate: Path
    makensis: str = "makensis"
    client_setup: Path | None = None
    signing_certificate: Path | None = None
    signing_key: Path | None = None


@dataclass(frozen=True)
class Kit:
    """One installer: whose it is, its id, the key that signs its confirmation codes (32 bytes), what its PC shows to
    the VPN server.
    """

    contract_number: str
    slot: str  # two digits
    uid: str
    key: bytes
    user: str
    pair: certificates.Pair
    built_at: datetime


_workshop: Workshop | None = None


def configure(workshop: Workshop) -> None:
    global _workshop
    _workshop = workshop


def why_not() -> list[str]:
    """What is missing on this server to build installers, each with what to do about it; empty when it can."""
    shop = _shop()
    missing = []
    if shutil.which(shop.makensis) is None:
        missing.append(NO_MAKENSIS)
    if not settings.get("vpn_host"):
        missing.append(NO_HOST)
    if _server_certificate(shop) is None:
        missing.append(NO_CERTIFICATE)
    if shop.client_setup is not None and not _is_readable(shop.client_setup):
        missing.append(NO_CLIENT)
    if shop.signing_certificate is not None or shop.signing_key is not None:
        if not (_is_readable(shop.signing_certificate) and _is_readable(shop.signing_key)):
            missing.append(NO_SIGNING)
        if shutil.which(SIGNER) is None:
            missing.append(NO_SIGNER)
    return missing


def require() -> None:
    """Unusable, with everything that is missing, when no installer can be built."""
    if missing := why_not():
        raise Unusable("".join(missing))


def build(kit: Kit) -> bytes:
    """The bytes of setup.exe, signed where a certificate is configured.

    Unusable when something is missing on this server, BuildFailed when a program fails or takes too long.
    """
    require()
    shop, until = _shop(), time.monotonic() + PATIENCE
    with _bench(shop.folder) as folder:
        _put(folder / VPN_FILE, vpn_file.text(_server(shop), kit.user, kit.pair))
        words = _words(shop, kit)
        if shop.client_setup is not None:
            (folder / CLIENT_FILE).symlink_to(shop.client_setup.resolve())  # its own name may be any
        for script, made in (("confirm.nsi", CONFIRM_FILE), ("setup.nsi", SETUP_FILE)):
            _put(folder / script, _rendered(script, words).encode("utf-8-sig"))
            _run(folder, until, shop.makensis, "-V0", "-NOCD", "-NOCONFIG", "-INPUTCHARSET", "UTF8", script)
            if not (folder / made).exists():
                raise BuildFailed(f"{Path(shop.makensis).name} made nothing")
            _sign(shop, folder, until, made)
        return (folder / SETUP_FILE).read_bytes()


def sweep() -> None:
    """Take away what a process that was killed has left; what another one is at work on stays. Called at start-up."""
    for folder in _root(_shop().folder).iterdir():
        with contextlib.suppress(FileNotFoundError):  # whoever was at work on it has taken it away
            descriptor = os.open(folder, os.O_RDONLY)
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _drop(folder)
            os.close(descriptor)


# ── what stands in it ──


def _server(shop: Workshop) -> vpn_file.Server:
    certificate = _server_certificate(shop)
    if certificate is None:
        raise Unusable(NO_CERTIFICATE)
    return vpn_file.Server(settings.get("vpn_host"), shop.port, shop.hub, certificate)


def _server_certificate(shop: Workshop) -> bytes | None:
    try:
        return certificates.der_of(shop.server_certificate.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _words(shop: Workshop, kit: Kit) -> dict[str, Any]:
    return {
        "service_name": settings.get("service_name"),
        "contract_number": kit.contract_number,
        "slot": kit.slot,
        "uid": kit.uid,
        "built_at": f"{kit.built_at:%Y%m%d%H%M%S}",
        "key_bytes": ",".join(f"&i1 {byte}" for byte in kit.key),
        "confirm_file": CONFIRM_FILE,
        "setup_file": SETUP_FILE,
        "vpn_file": VPN_FILE,
        "account": vpn_file.ACCOUNT,
        "adapter": vpn_file.ADAPTER,
        "activation_url": f"{shop.base_url}/activate/",
        "onetime_url": f"{shop.base_url}/onetime/",
        "auth_url": f"{shop.auth_base_url}/auth/",
        "client_file": CLIENT_FILE if shop.client_setup else "",
    }


def _rendered(script: str, words: dict[str, Any]) -> str:
    # No page: `finalize` does for every value what escaping does there.
    pages = Environment(  # noqa: S701
        loader=FileSystemLoader(TEMPLATES), finalize=_quoted, undefined=StrictUndefined, keep_trailing_newline=True
    )
    return pages.get_template(script).render(words)


def _quoted(value: object) -> str:
    """A value inside a quoted string of a script; what ends or opens something there becomes full-width: none of the
    script's own escapes holds in each of its places. ValueError for one with control characters.
    """
    text = str(value)
    if any(ord(one) < ord(" ") for one in text):
        raise ValueError("a script's value is one line")
    return text.translate(NOT_IN_SCRIPTS)


# ── the programs ──


def _sign(shop: Workshop, folder: Path, until: float, file: str) -> None:
    if shop.signing_certificate is None or shop.signing_key is None:
        return
    keys = ("-certs", str(shop.signing_certificate), "-key", str(shop.signing_key))
    facts = ("-h", "sha256", "-n", settings.get("service_name"), "-i", shop.base_url)
    _run(folder, until, SIGNER, "sign", *keys, *facts, "-in", file, "-out", "signed.exe")
    (folder / "signed.exe").replace(folder / file)


def _run(folder: Path, until: float, program: str, *arguments: str) -> None:
    """In a session of its own, so that nothing which it starts outlives it; what it says goes nowhere."""
    surroundings = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder), "LANG": "C.UTF-8"}
    process = subprocess.Popen(  # noqa: S603 — a configured program, words of ours
        [program, *arguments],
        cwd=folder,
        env={**surroundings, "TMPDIR": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        status = process.wait(max(0, until - time.monotonic()))
    except BaseException as error:  # whatever ends the wait, the program must not go on in a folder that is gone
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if isinstance(error, subprocess.TimeoutExpired):
            raise BuildFailed(f"{Path(program).name} took too long") from error
        raise
    if status != 0:
        raise BuildFailed(f"{Path(program).name} ended with {status}")


# ── the folder ──


@contextlib.contextmanager
def _bench(root: Path) -> Iterator[Path]:
    """A folder for one build; locked, so that no sweep takes it away meanwhile."""
    while (bench := _locked(Path(tempfile.mkdtemp(dir=_root(root))))) is None:
        pass  # a sweep was faster
    folder, descriptor = bench
    try:
        yield folder
    finally:
        _drop(folder)
        os.close(descriptor)


def _locked(folder: Path) -> tuple[Path, int] | None:
    """With the descriptor that holds the lock; None when the folder was taken away before it was locked."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return None
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    if folder.exists():
        return folder, descriptor
    os.close(descriptor)
    return None


def _root(root: Path) -> Path:
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    root.chmod(0o700)
    return root


def _put(file: Path, data: bytes) -> None:
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(data)


def _drop(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
    if path.exists():
        log.error("%s could not be taken away: it may hold keys", path)


def _is_readable(path: Path | None) -> bool:
    return path is not None and path.is_file() and os.access(path, os.R_OK)


def _shop() -> Workshop:
    if _workshop is None:
        raise NotConfigured("nobody has said where installers are made")
    return _workshop
