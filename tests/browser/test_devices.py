"""A PC from its installer to the tunnel: what lets it in, and everything that keeps it, or others, out."""

import base64
import http.client
import re
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import expect

from exchange import sessions, tunnel_logins
from tests.browser import premises
from tests.browser.people import OfficeUser
from tests.browser.premises import Kit, Premises
from tests.networks import run
from tests.softether import NoTunnel, needs_softether, until
from tests.wine import Windows, needs_makensis, needs_wine

pytestmark = [needs_softether, needs_wine, needs_makensis]

PASSWORD = "watashi-no-atarashii-kagi-7"
CERTIFICATE = re.compile(r"byte ClientCert (\S+)")


@pytest.fixture(scope="module")
def place(chromium: Chromium, machine: Windows, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Premises]:
    with premises.opened(tmp_path_factory.mktemp("premises"), chromium, machine) as place:
        yield place
        place.assert_clean()


@pytest.fixture(scope="module")
def at_xyz(place: Premises) -> tuple[Kit, float]:
    """A PC that XYZ工業 has set up in a slot that was never used, and when its confirmation code was sent."""
    place.orders_first("xyz", 2)
    kit = place.sets_up("xyz", 2)
    began = time.monotonic()
    place.activates(kit)
    place.connects(kit)
    expect(place.dai.row("端末 02")).to_contain_text("有効化済")  # the list has come to tell by itself
    return kit, began


# ── in ──


def test_a_pc_is_set_up_let_in_and_its_person_logs_in_through_its_tunnel(
    place: Premises, at_xyz: tuple[Kit, float], record_property: Callable[[str, str], None]
) -> None:
    kit, began = at_xyz
    address = place.connects(kit)
    jiro = place.at_pc("jiro")
    jiro.logs_in()
    record_property("upload of the confirmation code to login", f"{time.monotonic() - began:.1f} s")
    has_all_policies(place, kit)

    jiro.sees_heading("利用者情報登録(事業所)")
    jiro.sets_up_office("XYZ工業")
    jiro.registers(PASSWORD)
    jiro.chooses("届書の送信へ")
    jiro.sees_heading("届書の送信")
    jiro.goes_to("/admin/audit/?action=login.succeeded")
    expect(jiro.main.locator("tbody tr").first).to_contain_text(f"端末 {kit.slot:02d}　{address}")
    jiro.goes_to("/admin/devices/")
    slot = jiro.main.locator("section", has=jiro.page.locator(f"#slot-{kit.slot}"))
    expect(slot).to_contain_text("いま使っている端末")
    expect(slot).to_contain_text(kit.computer_name)
    jiro.logs_out()


def has_all_policies(place: Premises, kit: Kit) -> None:
    """The server knows the PC by what stands in its installer, and keeps it apart."""
    user = place.vpn.rpc("GetUser", Name_str=kit.user)
    certificate = CERTIFICATE.search(kit.vpn.read_text("utf-8-sig"))
    assert certificate
    assert base64.b64decode(user["UserX_bin"]) == base64.b64decode(certificate[1])
    assert (user["AuthType_u32"], user["UsePolicy_bool"]) == (2, True)
    for policy in ("Access", "DHCPForce", "DHCPNoServer", "NoBridge", "NoRouting", "CheckIP", "CheckMac"):
        assert user[f"policy:{policy}_bool"], policy
    assert (user["policy:AutoDisconnect_u32"], user["policy:MultiLogins_u32"]) == (5400, 1)


def test_nobody_comes_in_through_the_tunnel_of_another_office(place: Premises, at_xyz: tuple[Kit, float]) -> None:
    kit, _ = at_xyz
    address = place.connects(kit)
    taro = place.at_pc("taro")
    types_everything(place, taro)
    expect(taro.main).to_contain_text(tunnel_logins.OTHER_DEVICE)
    taro.goes_to("/files/")
    taro.sees_heading("認証")

    place.kiku.goes_to("/admin/audit/?action=login.refused")
    newest = place.kiku.main.locator("tbody tr").first
    expect(newest).to_contain_text("ほかの事業所の端末、またはVPN接続ではない端末")
    expect(newest).to_contain_text(taro.me["name"])
    mailed = until(lambda: place.mails(place.manager_of("abc"), "ほかの端末からのログインを断りました"), "the mail")
    assert len(mailed) == 1
    assert taro.me["login_id"] in mailed[0]
    assert address in mailed[0]


def types_everything(place: Premises, person: OfficeUser) -> None:
    """What a login takes, all of it right."""
    gets_to_password(place, person)
    person.types("ユーザーID", person.me["login_id"])
    person.types("ログインパスワード", person.me["password"])
    person.presses("ログイン")


def gets_to_password(place: Premises, person: OfficeUser) -> None:
    code = gets_code(place, person)
    person.goes_to("/auth/")
    person.says_who()
    person.presses("次へ")
    person.types("ワンタイムパスワード", code)
    person.presses("次へ")
    person.sees_heading("ログイン")


def gets_code(place: Premises, person: OfficeUser) -> str:
    place.a_quarter_of_an_hour_passes()
    person.goes_to("/onetime/")
    person.says_who()
    person.presses("送信")
    person.sees_heading("ワンタイムパスワード・発行受付")
    return person.reads_code(person.receipt_number())


# ── out ──


def test_a_stopped_pc_loses_its_tunnel_within_ten_seconds_and_its_session_at_the_next_request(
    place: Premises, record_property: Callable[[str, str], None]
) -> None:
    place.orders_another("abc", 3)
    kit = place.sets_up("abc", 3)
    place.activates(kit)
    address, jun = place.connects(kit), place.at_pc("jun")
    jun.logs_in()
    cookies = cookies_of(jun)
    assert place.tunnels_of(kit.user)

    began = time.monotonic()
    place.acts_on("abc", 3, "停止する", "を停止")
    until(lambda: not place.tunnels_of(kit.user), "the end of the tunnel", 10)
    seconds = time.monotonic() - began
    record_property("停止 to tunnel gone", f"{seconds:.2f} s")
    assert seconds < 10
    until(lambda: not place.pc.is_connected(), "the client's notice")
    # Even if the line were still there, with its address: the cookie opens nothing any more.
    assert asked_from(place, address, cookies) == (303, "/auth/ended?why=device")
    with pytest.raises(NoTunnel):
        place.pc.connect()


def cookies_of(person: OfficeUser) -> dict[str, str]:
    return {one["name"]: one["value"] for one in person.context.cookies()}


def asked_from(place: Premises, address: str, cookies: dict[str, str]) -> tuple[int, str]:
    """(status, where it leads) of a page of the office, asked for by somebody who has that address."""
    host = place.inside.removeprefix("http://")
    run("ip", "address", "add", f"{address}/32", "dev", "lo")
    try:
        line = http.client.HTTPConnection(host, timeout=10, source_address=(address, 0))
        line.request("GET", "/files/", headers={"Cookie": "; ".join(f"{name}={it}" for name, it in cookies.items())})
        answer = line.getresponse()
        line.close()
    finally:
        run("ip", "address", "del", f"{address}/32", "dev", "lo")
    return answer.status, answer.headers["Location"] or ""


def test_a_vpn_server_killed_during_an_activation_delays_it_and_does_it_once(
    place: Premises, record_property: Callable[[str, str], None]
) -> None:
    place.orders_another("abc", 2)
    kit = place.sets_up("abc", 2)
    number = place.sends_code(kit)
    place.vpn.freeze()
    place.desk_accepts(number)
    until(lambda: place.asked("SELECT 1 FROM job WHERE kind = 'vpn' AND state = 'running'"), "the call to the server")
    place.vpn.kill()
    row = place.dai.row(number)
    expect(row).to_contain_text("反映待ち")
    place.dai.sees("VPNサーバーが応答していません")
    assert place.is_told_of(kit) == []

    place.dai.chooses("事業所と端末")
    place.vpn.start()
    began = time.monotonic()
    place.restart_site()  # which asks once more when it starts, instead of within a minute
    until(lambda: place.is_told_of(kit), "the mail about the activation")
    record_property("restart to activation", f"{time.monotonic() - began:.1f} s")
    place.dai.goes_to("/admin/activations/?state=history")
    expect(row).to_contain_text("有効化済")
    assert len(place.is_told_of(kit)) == 1
    users = [user["Name_str"] for user in place.vpn.rpc("EnumUser")["UserList"]]
    assert users.count(kit.user) == 1
    has_all_policies(place, kit)


def test_after_a_hand_over_nothing_of_the_predecessor_opens(place: Premises) -> None:
    place.orders_another("abc", 1)
    old = place.sets_up("abc", 1)
    place.activates(old)
    address = place.connects(old)
    taro, halfway, waiting = (place.at_pc("taro") for _ in range(3))
    place.a_quarter_of_an_hour_passes()
    taro.logs_in()
    gets_to_password(place, halfway)
    code = gets_code(place, waiting)

    nominates(taro, "abcJun001")
    new = place.sets_up("abc", 1)
    taro.goes_to("/admin/devices/")
    taro.sees_heading("端末")  # until the new PC is let in he goes on working
    place.activates(new)
    until(lambda: not place.pc.is_connected(), "the end of his tunnel")
    with pytest.raises(NoTunnel):
        place.pc.connect()

    assert asked_from(place, address, cookies_of(taro)) == (303, "/auth/ended?why=device")

    # At the new PC, with all that he still has.
    place.connects(new)
    halfway.types("ユーザーID", halfway.me["login_id"])
    halfway.types("ログインパスワード", halfway.me["password"])
    halfway.presses("ログイン")
    halfway.sees("最初からやり直してください")
    waiting.goes_to("/auth/")
    waiting.says_who()
    waiting.presses("次へ")
    waiting.types("ワンタイムパスワード", code)
    waiting.presses("次へ")
    waiting.sees(sessions.WRONG_CODE)
    assert until(lambda: place.mails("jun@abc-shoji.example", "管理者が替わりました"), "the mail to the successor")


def nominates(manager: OfficeUser, login_id: str) -> None:
    manager.goes_to("/admin/handovers/")
    manager.main.get_by_label(re.compile(login_id)).check()
    manager.presses("内容を確かめる")
    manager.presses("後任に指名する")
    manager.sees("後任を指名しました。")
