"""What the desk and the office read about a confirmation code: what its 有効化 changes, why it came to nothing."""

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest
from flask import Flask

from equipment import ActivationRequest, Installer
from exchange import activations, calendar, devices
from models import Device
from tests.exchange.activating import fresh, sends
from tests.exchange.codes import Pc, built
from tests.exchange.handing_over import nominates
from tests.exchange.slots import on_pc, slot
from tests.people import Browser, Cast, mails, run_jobs

People = Callable[[str], Browser]
LIST, HISTORY = "/admin/activations/", "/admin/activations/?state=history"
HTMX = {"HX-Request": "true"}
TARO, JUN = "甲野　太郎（利用者A）さん", "乙川　純（利用者B）さん"
HANDOVER = (
    f"管理者の引継ぎです。有効化すると、管理者が{TARO}から{JUN}に替わり、"
    f"{TARO}は利用できなくなります（元に戻せません）。"
)


def url_of(request: ActivationRequest) -> str:
    return f"{LIST}{request.uid}"


def questions(page: str) -> list[str]:
    """What is asked before 有効化."""
    return [unescape(asked) for asked in re.findall(r'action="[^"]+/acceptance[^>]*confirm="([^"]*)"', page)]


def succeeding(cast: Cast) -> ActivationRequest:
    """The code of the PC with which 乙川 takes over."""
    nominates(cast)
    return sends(built(cast.abc, 1), Pc())


def at_work(cast: Cast, name: str = "KEIRI-OLD") -> Device:
    """A PC in slot 2, whose successor is wanted."""
    device = slot(cast.abc)
    on_pc(device, name)
    devices.replace(cast.taro, device, "故障")
    return device


# ── what an 有効化 changes ──


def test_the_desk_reads_everywhere_that_a_press_changes_the_admin(browser: People, cast: Cast) -> None:
    one, dai = succeeding(cast), browser("dai")
    for url in (LIST, url_of(one)):
        page = dai.get(url).text
        assert page.count(HANDOVER) == 2, "in sight, and in the question"
        assert questions(page)[0].startswith(HANDOVER)
        assert "引継ぎの手続き中です" not in page, "said better"
    done = dai.post(f"{url_of(one)}/acceptance", page=LIST, follow_redirects=True).text
    words = f"この有効化で、管理者が{TARO}から{JUN}に替わりました。"
    assert done.count(words) == 2, "as the answer, and on the page for ever"
    assert words in dai.get(HISTORY).text


def test_the_row_that_htmx_gets_says_so_too(browser: People, cast: Cast) -> None:
    one, dai = succeeding(cast), browser("dai")
    row = dai.post(f"{url_of(one)}/acceptance?part=row", page=LIST, headers=HTMX).text
    assert row.count(f"{JUN}に替わりました。") == 2, "to be seen, and to be heard"


def test_another_slots_code_says_nothing_of_the_handover(browser: People, cast: Cast) -> None:
    nominates(cast)
    sends(built(cast.abc, 2), Pc())
    assert "引継ぎ" not in browser("dai").get(LIST).text


def test_the_desk_reads_everywhere_which_pc_is_cut_off(browser: People, cast: Cast) -> None:
    since = f"{calendar.japan(at_work(cast).activated_at):%Y/%m/%d}"
    one, dai = sends(built(cast.abc, 2, state="active"), Pc()), browser("dai")
    words = f"PCの入れ替えです。いまのPC（KEIRI-OLD、{since}から）は使えなくなります。"
    for url in (LIST, url_of(one)):
        page = dai.get(url).text
        assert page.count(words) == 2
        assert questions(page)[0].startswith(words)
        assert "セッションの切断を済ませましたか" in questions(page)[0]
        assert "これまでと違うPCです" not in page, "said better"


def test_the_same_pc_set_up_again_cuts_off_nothing(browser: People, cast: Cast) -> None:
    device, pc = slot(cast.abc), Pc()
    Installer.update(machine_id=pc.machine).where(Installer.id == on_pc(device, pc.computer).id).execute()
    devices.replace(cast.taro, device, "故障")
    sends(built(cast.abc, 2, state="active"), pc)
    page = browser("dai").get(LIST).text
    assert "使えなくなります" not in page
    assert "の登録を済ませましたか" in questions(page)[0]


def test_what_is_to_be_done_on_the_vpn_server_fits_a_replacement(browser: People, cast: Cast) -> None:
    at_work(cast)
    one, dai = sends(built(cast.abc, 2, state="active"), Pc()), browser("dai")
    assert "前の証明書と入れ替え、つながっているセッションを切断してください" in dai.get(LIST).text
    page = dai.get(url_of(one)).text
    assert "前の証明書と入れ替え、つながっているセッションを切断してください" in page
    assert "登録済みのユーザーです" in page
    assert "のユーザーを登録します" not in page


def test_a_replacement_leaves_no_work_so_none_is_told_of(browser: People, cast: Cast) -> None:
    devices.stop(cast.dai, slot(cast.abc, 3), "紛失")
    page = browser("dai").get(f"{LIST}?state=orders").text
    assert "停止した端末" in page
    assert "入れ替えをした端末" not in page


# ── after the press ──


def test_the_counts_follow_the_row(browser: People, cast: Cast) -> None:
    first, dai = sends(built(cast.abc, 2), Pc()), browser("dai")
    sends(built(cast.abc, 3), Pc())
    page = dai.get(LIST).text
    assert "有効化待ち（2）" in page
    assert re.search(r'<small id="a-count">2件</small>', page)
    assert re.search(r'全<span id="a-total">2</span>件', page)
    answer = dai.post(f"{url_of(first)}/acceptance?part=row", page=LIST, headers=HTMX).text
    parts = dict(re.findall(r'<hx-partial hx-target="#([\w-]+)"[^>]*>(.*?)</hx-partial>', answer, re.DOTALL))
    assert "有効化待ち（1）" in parts["a-tabs"]
    assert (parts["a-count"], parts["a-total"]) == ("1件", "1")
    row = answer.partition("</tr>")[0]
    assert "に有効化しました" in row, "the column is that of the day it was promised for"


@pytest.mark.parametrize("page", ["list", "detail"])
def test_every_check_begins_with_its_result(browser: People, cast: Cast, page: str) -> None:
    one = sends(built(cast.abc, 2), Pc())
    shown = browser("dai").get(LIST if page == "list" else url_of(one)).text
    checks = re.search(r'<ul class="td-checks">(.*?)</ul>', shown, re.DOTALL)[1]
    assert re.findall(r'<li><span class="td-chip td-chip--done">(.*?)</span>', checks) == ["合格"] * 5


# ── why nothing came of it ──


def newer(cast: Cast, one: ActivationRequest) -> str:
    later = sends(built(cast.abc, 2), Pc())
    return f"新しい確認コード（受付番号 {later.receipt_number}）が届いたため"


def stopped(cast: Cast, one: ActivationRequest) -> str:
    devices.stop(cast.dai, slot(cast.abc), "紛失")
    return "端末の停止のため"


def replaced(cast: Cast, one: ActivationRequest) -> str:
    devices.replace(cast.dai, slot(cast.abc), "故障")
    return "PCの入れ替えのため"


@pytest.mark.parametrize("ends", [newer, stopped, replaced])
def test_the_desk_reads_why_a_request_is_void(
    browser: People, cast: Cast, ends: Callable[[Cast, ActivationRequest], str]
) -> None:
    one = sends(built(cast.abc, 2), Pc())
    why, dai = ends(cast, one), browser("dai")
    assert fresh(one).state == "void"
    assert f"理由：{why}" in dai.get(url_of(one)).text
    assert why in dai.get(HISTORY).text


# ── what the office sees of a 差戻し ──


def test_the_admins_start_page_counts_what_came_back_and_leads_to_it(browser: People, cast: Cast) -> None:
    activations.send_back(cast.dai, sends(built(cast.abc, 2), Pc()), "取り違え")
    card = re.search(
        r'<a class="td-card td-wait" href="/admin/devices/">(.*?)</a>', browser("taro").get("/").text, re.DOTALL
    )[1]
    assert "差し戻された確認コード" in card
    assert ">1<small>件" in card
    assert "差し戻された確認コード" not in browser("jun").get("/").text


def test_the_page_of_the_pcs_tells_why_and_what_to_do(app: Flask, browser: People, cast: Cast) -> None:
    activations.send_back(cast.dai, sends(built(cast.abc, 2), Pc()), "経理のPCではありませんか")
    page = browser("taro").get("/admin/devices/").text
    place = page.partition('<h2 id="slot-2">')[2].partition("</section>")[0]
    assert "確認コードが差し戻されました" in place
    assert "理由：経理のPCではありませんか" in place
    assert "もう一度「インストール確認」を実行" in place
    assert page.count("確認コードが差し戻されました") == 1
    desk = browser("dai").get(f"/admin/devices/{cast.abc.uid}").text
    assert "理由：経理のPCではありませんか" in desk
    assert "事業所が直して、もう一度送信するのを待っています" in desk


def test_the_mail_of_a_return_names_the_slot_as_the_pages_do_and_asks_for_no_new_installer(
    app: Flask, cast: Cast
) -> None:
    activations.send_back(cast.dai, sends(built(cast.abc, 1), Pc()), "取り違え")
    run_jobs(app)
    found = mails(Path(app.instance_path) / "mail")
    bodies = {mail["subject"].partition("】")[2]: mail["body"] for mail in found}
    for subject in ("確認コードの受付のお知らせ", "確認コードが届きました", "確認コードの差戻しのお知らせ"):
        assert "01（1台目・管理者用）\n" in bodies[subject]
    body = bodies["確認コードの差戻しのお知らせ"]
    assert "もう一度「インストール確認」を実行して" in body
    assert "同じインストーラーのままで送信できます" in body
    assert "新しくできた確認コード" not in body
