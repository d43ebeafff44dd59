"""A SoftEther VPN Server, driven through its JSON-RPC interface with the password of one virtual hub."""

import base64
import http.client
import json
import ssl
import weakref
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from database import utc_now
from exchange.errors import NotConfigured
from exchange.vpn import Account, Health, Unreachable

TIMEOUT = 3  # seconds for each step of a call
MOST_BYTES = 64 * 2**20  # of an answer
IDLE_LINES = 8
ALREADY_THERE, NOT_THERE = 66, 29
NO_SUCH_HUB, NOT_ALLOWED = 8, 52
BY_CERTIFICATE = 2  # AuthType: a user's own certificate
LONGEST_TUNNEL = 90 * 60  # seconds
REFUSED = "VPNサーバーが、管理パスワードを受け付けません。設定 VPN_HUB と VPN_PASSWORD を確認してください。"
ODD = "VPNサーバーの答えが、いつもの形をしていません。設定 VPN_API の相手を確認してください。"
NEVER = "1970-01-01T09:00:00.000Z"  # how the server writes "no date"

# Every one of them: what is left out when a user is set, the server takes for "no".
POLICY: dict[str, bool | int] = {
    "policy:Access_bool": True,
    "policy:DHCPFilter_bool": False,
    "policy:DHCPNoServer_bool": True,
    "policy:DHCPForce_bool": True,
    "policy:NoBridge_bool": True,
    "policy:NoRouting_bool": True,
    "policy:CheckMac_bool": True,
    "policy:CheckIP_bool": True,
    "policy:ArpDhcpOnly_bool": True,
    "policy:PrivacyFilter_bool": True,
    "policy:NoServer_bool": True,
    "policy:NoBroadcastLimiter_bool": False,
    "policy:MonitorPort_bool": False,
    "policy:MaxConnection_u32": 8,
    "policy:TimeOut_u32": 20,
    "policy:MaxMac_u32": 0,
    "policy:MaxIP_u32": 0,
    "policy:MaxUpload_u32": 0,
    "policy:MaxDownload_u32": 0,
    "policy:FixPassword_bool": True,
    "policy:MultiLogins_u32": 1,
    "policy:NoQoS_bool": True,
    "policy:RSandRAFilter_bool": True,
    "policy:RAFilter_bool": True,
    "policy:DHCPv6Filter_bool": True,
    "policy:DHCPv6NoServer_bool": True,
    "policy:NoRoutingV6_bool": True,
    "policy:CheckIPv6_bool": True,
    "policy:NoServerV6_bool": True,
    "policy:MaxIPv6_u32": 0,
    "policy:NoSavePassword_bool": True,
    "policy:AutoDisconnect_u32": LONGEST_TUNNEL,
    "policy:FilterIPv4_bool": False,
    "policy:FilterIPv6_bool": True,
    "policy:FilterNonIP_bool": True,
    "policy:NoIPv6DefaultRouterInRA_bool": True,
    "policy:NoIPv6DefaultRouterInRAWhenIPv6_bool": True,
    "policy:VLanId_u32": 0,
    "policy:Ver3_bool": True,
}


class Facts(dict[str, Any]):
    """An object of the server's answer. Unreachable for what is asked of it and isn't there, or is not what the end of
    its name says; without such an end it is a list of objects.
    """

    KINDS: ClassVar[dict[str, type]] = {
        **dict.fromkeys(("str", "utf", "ip", "dt", "bin"), str),
        **dict.fromkeys(("u32", "u64"), int),
        "bool": bool,
    }

    def __getitem__(self, key: str) -> Any:
        value = self.get(key)
        kind = self.KINDS.get(key.rpartition("_")[2])
        if kind is not None:
            is_right = isinstance(value, kind)
        else:
            is_right = isinstance(value, list) and all(isinstance(one, Facts) for one in value)
        if not is_right:
            raise Unreachable(ODD)
        return value


class Failed(Unreachable):
    """The server understood and said no: `code` is SoftEther's own."""

    def __init__(self, code: int) -> None:
        super().__init__(_SENTENCES.get(code, f"VPNサーバーが、処理を断りました（エラー {code}）。"))
        self.code = code


_SENTENCES = {
    NO_SUCH_HUB: "VPNサーバーに、仮想ハブがありません。設定 VPN_HUB を確認してください。",
    NOT_ALLOWED: "VPNサーバーが、仮想ハブの管理パスワードの権限ではできないと答えました。",
}


class Api:
    """Calls over connections that are kept; the only certificate believed is the given one (PEM).

    `name`: of the hub that the password belongs to, or "administrator". Environment variables about proxies and
    certificates have no part in this.
    """

    def __init__(self, url: str, name: str, password: str, certificate: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname:
            raise ValueError("the address of the interface begins with https://")
        if not (name + password).isascii() or not (name + password).isprintable():
            raise ValueError("the hub and its password are written in ASCII")
        self._address = (parts.hostname, parts.port or 443)
        self._headers = {
            "Content-Type": "application/json",
            "X-VPNADMIN-HUBNAME": name,
            "X-VPNADMIN-PASSWORD": password,
        }
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._tls.check_hostname = False  # one certificate is believed; whatever name stands in it
        self._tls.load_verify_locations(cadata=certificate)
        self._idle: list[http.client.HTTPSConnection] = []
        self._closer = weakref.finalize(self, _close, self._idle)

    def close(self) -> None:
        _close(self._idle)

    def call(self, method: str, **parameters: Any) -> Facts:
        """The result; Failed when the server says no, Unreachable for every other trouble."""
        body = json.dumps({"jsonrpc": "2.0", "id": "1", "method": method, "params": parameters}).encode()
        return _parsed(*self._sent(body))

    def _sent(self, body: bytes) -> tuple[int, bytes]:
        """Status and body. A kept connection may have been dropped meanwhile: then once more over a new one."""
        try:
            kept = self._idle.pop()
        except IndexError:
            return self._exchanged(self._line(), body)
        try:
            return self._exchanged(kept, body)
        except _Dropped:
            self.close()
            return self._exchanged(self._line(), body)

    def _line(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(*self._address, timeout=TIMEOUT, context=self._tls)

    def _exchanged(self, line: http.client.HTTPSConnection, body: bytes) -> tuple[int, bytes]:
        try:
            line.request("POST", "/api/", body, self._headers)
            response = line.getresponse()
            content = response.read(MOST_BYTES)
        except (OSError, http.client.HTTPException, ValueError) as error:
            line.close()
            # What went wrong may quote what was sent: the cause is left behind.
            raise _trouble(error) from None
        if response.will_close or len(self._idle) >= IDLE_LINES:
            line.close()
        else:
            self._idle.append(line)
        return response.status, content


class _Dropped(Unreachable):
    """The other side has gone, before or while it was asked."""


class SoftEther:
    """vpn.Provider over one hub."""

    is_automatic = True

    def __init__(self, url: str, hub: str, password: str, certificate: str) -> None:
        self._api = Api(url, hub, password, certificate)
        self._hub = hub

    def close(self) -> None:
        self._api.close()

    def admit(self, account: Account) -> None:
        der = base64.b64encode(ssl.PEM_cert_to_DER_cert(account.certificate)).decode()
        wanted = {
            "Realname_utf": account.name,
            "Note_utf": "",
            "GroupName_str": "",
            "ExpireTime_dt": NEVER,
            "AuthType_u32": BY_CERTIFICATE,
            "UserX_bin": der,
            "UsePolicy_bool": True,
            **POLICY,
        }
        user = self._user(account.user)
        if user is None or any(user.get(key) != value for key, value in wanted.items()):
            user = self._set(account.user, wanted)
        # Also when nothing had to be changed: the last try may have come to its end between the two.
        self._end(account.user, before=_moment(user["UpdatedTime_dt"]))

    def shut_out(self, user: str) -> None:
        there = self._user(user)
        if there and (there["policy:Access_bool"] or not there["UsePolicy_bool"]):
            self._set(user, {**there, **POLICY, "UsePolicy_bool": True, "policy:Access_bool": False})
        self._end(user)

    def user_at(self, address: str) -> str | None:
        rows = self._rows("EnumIpTable", "IpTable")
        holders = {row["SessionName_str"] for row in rows if row["IpAddress_ip"] == address}
        users = {tunnel["Username_str"] for tunnel in self._tunnels() if tunnel["Name_str"] in holders}
        return users.pop() if len(users) == 1 else None

    def end_older_than(self, age: timedelta) -> int:
        """Also those of users who may not connect any more: one can slip in while its user is being shut out."""
        since = utc_now() - age
        users = self._rows("EnumUser", "UserList")
        welcome = {_plain(user["Name_str"]) for user in users if not user["DenyAccess_bool"]}
        over = [
            tunnel
            for tunnel in self._sessions()
            if _moment(tunnel["CreatedTime_dt"]) <= since or _plain(tunnel["Username_str"]) not in welcome
        ]
        ended = [tunnel for tunnel in over if self._ended(tunnel["Name_str"])]
        return sum(_is_alive(tunnel) for tunnel in ended)

    def health(self) -> Health:
        try:
            if not self._call("GetHubStatus")["Online_bool"]:
                return Health(is_up=False, problem="VPNサーバーの仮想ハブが、オフラインになっています。")
            return Health(is_up=True, tunnels=len(list(self._tunnels())))
        except Unreachable as trouble:
            return Health(is_up=False, problem=str(trouble))

    def _user(self, name: str) -> Facts | None:
        try:
            return self._call("GetUser", Name_str=name)
        except Failed as error:
            if error.code == NOT_THERE:
                return None
            raise

    def _set(self, name: str, facts: dict[str, Any]) -> Facts:
        try:
            self._call("SetUser", **{**facts, "Name_str": name})
        except Failed as error:
            if error.code != NOT_THERE:
                raise
            self._create(name, facts)
        return self._call("GetUser", Name_str=name)

    def _create(self, name: str, facts: dict[str, Any]) -> None:
        try:
            self._call("CreateUser", **{**facts, "Name_str": name})
        except Failed as error:
            if error.code != ALREADY_THERE:
                raise
            self._call("SetUser", **{**facts, "Name_str": name})

    def _end(self, user: str, before: datetime | None = None) -> None:
        """End this user's tunnels, or those that began before."""
        for tunnel in self._sessions():
            if _plain(tunnel["Username_str"]) == _plain(user) and (
                before is None or _moment(tunnel["CreatedTime_dt"]) < before
            ):
                self._ended(tunnel["Name_str"])

    def _ended(self, session: str) -> bool:
        try:
            self._call("DeleteSession", Name_str=session)
        except Failed as error:
            if error.code != NOT_THERE:
                raise
            return False
        return True

    def _tunnels(self) -> Iterator[Facts]:
        """Sessions that are alive: one whose PC has hung up stays listed for 20 seconds, without a connection."""
        return (session for session in self._sessions() if _is_alive(session))

    def _sessions(self) -> Iterator[Facts]:
        """Those of users, not the hub's own."""
        own = ("LinkMode_bool", "SecureNATMode_bool", "BridgeMode_bool", "Layer3Mode_bool")
        listed = self._rows("EnumSession", "SessionList")
        return (session for session in listed if not any(session.get(kind) for kind in own))

    def _rows(self, method: str, key: str) -> list[Facts]:
        return Facts({key: [], **self._call(method)})[key]

    def _call(self, method: str, **parameters: Any) -> Facts:
        return self._api.call(method, **{**parameters, "HubName_str": self._hub})


def _is_alive(session: Facts) -> bool:
    return session["CurrentNumTcp_u32"] > 0


def _plain(user: str) -> str:
    """A name as the server compares it."""
    return user.casefold()


def from_file(url: str, hub: str, password: str, certificate: Path) -> SoftEther:
    """The provider as it is configured; NotConfigured when something is missing."""
    if not password:
        raise NotConfigured("VPN_PASSWORD is missing: `python -m deploy.softether` printed it")
    try:
        return SoftEther(url, hub, password, certificate.read_text(encoding="ascii"))
    except (OSError, ssl.SSLError) as error:
        raise NotConfigured(f"VPN_CERTIFICATE: no certificate of the VPN server (PEM) in {certificate}") from error
    except ValueError as error:
        raise NotConfigured(f"VPN_API, VPN_HUB, VPN_PASSWORD: {error}") from error


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise Unreachable(ODD) from None


def _parsed(status: int, content: bytes) -> Facts:
    """The result; Failed for an error."""
    if status == http.client.UNAUTHORIZED:
        raise Unreachable(REFUSED)
    if status != http.client.OK:
        raise Unreachable(f"VPNサーバーの管理の窓口が、状態 {status} を返しました。設定 VPN_API を確認してください。")
    try:
        answer = json.loads(content, object_hook=Facts)
    except (ValueError, RecursionError):
        answer = None
    said = answer if isinstance(answer, Facts) else Facts()
    error, result = said.get("error"), said.get("result")
    if isinstance(error, Facts) and isinstance(error.get("code"), int):
        raise Failed(error.get("code", 0))
    if error is not None or not isinstance(result, Facts):
        raise Unreachable("設定 VPN_API の相手の答えが、VPNサーバーのものではありません。")
    return result


def _trouble(error: Exception) -> Unreachable:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Unreachable("VPNサーバーの証明書が、設定 VPN_CERTIFICATE のものと違います。")
    if isinstance(error, TimeoutError):
        return Unreachable(f"VPNサーバーが、{TIMEOUT}秒以内に答えません。")
    return _Dropped("VPNサーバーにつながりません。動いているか確認してください。")


def _close(lines: list[http.client.HTTPSConnection]) -> None:
    while lines:
        lines.pop().close()
