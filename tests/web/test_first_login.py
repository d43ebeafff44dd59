"""The first login: 利用者情報登録(事業所), 利用者情報登録(ユーザ), and nothing else before they are done."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from exchange import archive_passwords, credentials
from models import ArchivePassword, AuditEntry, Membership, User
from tests.people import Browser, Cast, told
from tests.stage import about_nothing
from tests.web.steps import a_minute_passes, code_in_mail, logs_in

People = Callable[[str], Browser]
OFFICE, USER = "/admin/office/registration", "/admin/user/registration"
ARCHIVE, OWN = "Kawa-no-Nagare-2026", "三つの 川と 二つの 山"


def sets_up(browser: Browser, url: str = OFFICE, **other: str) -> TestResponse:
    form = {"short_name": "XYZ", "archive_password": ARCHIVE, "archive_password_again": ARCHIVE, "understood": "y"}
    return browser.post(url, {**form, **other}, page=OFFICE)


def registers(browser: Browser, **other: str) -> TestResponse:
    form = {"name": "戊田　次郎", "kana": "ボタ　ジロウ", "mail": "jiro@xyz-kogyo.example"}
    return browser.post(USER, {**form, "password": OWN, "password_again": OWN, **other})


def user_of(name: str, cast: Cast) -> User:
    return User.get_by_id(cast.member(name).user_id)


def only_gate(app: Flask, browser: Browser) -> set[str]:
    """The endpoints that a gated person's GET does get a page of."""
    open_ones = set()
    for rule in app.url_map.iter_rules():
        if rule.endpoint == "static" or "GET" not in rule.methods:
            continue
        answer = browser.get(about_nothing(app, rule))
        if answer.status_code == 200:
            open_ones.add(rule.endpoint)
    return open_ones


PUBLIC_PAGES = {"home.healthz", "onetime.form", "auth.identity", "auth.ended", "admin.login", "demo.mails"}
PUBLIC_PAGES |= {"help.index", "help.page", "registration.form", "download.form", "activate.form"}
PUBLIC_ROOMS = ("onetime", "auth", "admin", "registration", "download", "activate")


def test_the_letters_password_leads_to_the_first_page_and_nowhere_else(app: Flask, browser: People, cast: Cast) -> None:
    jiro = browser("")
    logs_in(app, cast, jiro, "jiro")
    assert only_gate(app, jiro) == {*PUBLIC_PAGES, "office.registration"}
    sets_up(jiro)
    assert only_gate(app, jiro) == {*PUBLIC_PAGES, "account.registration"}
    registers(jiro)
    assert {"files.outgoing", "files.incoming", "files.upload_form", "office.done"} <= only_gate(app, jiro)


def test_no_post_gets_past_the_gate_either(app: Flask, browser: People) -> None:
    jiro = browser("jiro")
    token = jiro.csrf(OFFICE)
    for rule in app.url_map.iter_rules():
        if "POST" not in rule.methods or rule.endpoint.split(".")[0] in PUBLIC_ROOMS:
            continue
        answer = jiro.client.post(about_nothing(app, rule), data={"csrf_token": token})
        own = rule.endpoint in ("office.register", "office.test_archive")
        assert answer.status_code == 422 if own else answer.location == OFFICE or answer.status_code == 403, rule


def test_all_of_the_first_day(app: Flask, browser: People, cast: Cast) -> None:
    jiro = browser("")
    assert logs_in(app, cast, jiro, "jiro").location == "/"
    assert jiro.get("/", follow_redirects=True).request.path == OFFICE
    assert sets_up(jiro).location == USER
    assert registers(jiro).location == "/admin/office/done"
    assert "初期設定は完了しました" in jiro.get("/admin/office/done").text
    assert jiro.get("/files/").status_code == 200
    actions = [entry.action for entry in AuditEntry.select().order_by(AuditEntry.number.desc()).limit(2)]
    assert actions == ["user.registered", "office.set_up"]
    again = browser("")
    a_minute_passes()
    assert logs_in(app, cast, again, "jiro", OWN).location == "/"
    assert again.get("/files/").status_code == 200


def test_the_password_of_the_letter_is_void_afterwards(app: Flask, browser: People, cast: Cast) -> None:
    jiro = browser("jiro")
    sets_up(jiro)
    registers(jiro)
    assert logs_in(app, cast, browser(""), "jiro").status_code == 422


# ── the office ──


def test_the_archive_password_is_sealed_and_on_no_page(browser: People, cast: Cast) -> None:
    jiro = browser("jiro")
    assert ARCHIVE not in sets_up(jiro).text
    row = ArchivePassword.get(ArchivePassword.office == cast.xyz)
    assert ARCHIVE not in row.sealed
    assert archive_passwords.reveal(row) == ARCHIVE
    assert cast.xyz.short_name == "XYZ"
    entry = AuditEntry.get(AuditEntry.action == "office.set_up", AuditEntry.office == cast.xyz)
    assert entry.details == {"short_name": "XYZ", "archive_password_version": 1}


WRONG = {
    "typed differently": ({"archive_password_again": ARCHIVE + "x"}, "入力が違います"),
    "empty": ({"archive_password": "", "archive_password_again": ""}, "圧縮パスワードを入力してください"),
    "too short": ({"archive_password": "Kawa-7", "archive_password_again": "Kawa-7"}, "12～32文字"),
    "too long": ({"archive_password": "Ab1-" * 9, "archive_password_again": "Ab1-" * 9}, "12～32文字"),
    "wide": ({"archive_password": "Ｋａｗａ-no-Nagare", "archive_password_again": "Ｋａｗａ-no-Nagare"}, "半角"),
    "with a space": ({"archive_password": "Kawa no Nagare7", "archive_password_again": "Kawa no Nagare7"}, "空白"),
    "common": ({"archive_password": "password1234", "archive_password_again": "password1234"}, "推測されやすい"),
    "not understood": ({"understood": ""}, "後から変更できません。確認のうえ"),
    "long name": ({"short_name": "あ" * 31}, "30文字まで"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_does_not_fit_is_told_and_keeps_nothing(browser: People, cast: Cast, wrong: str) -> None:
    other, words = WRONG[wrong]
    jiro = browser("jiro")
    form = {"short_name": "XYZ", "archive_password": ARCHIVE, "archive_password_again": ARCHIVE, "understood": "y"}
    form.update(other)
    if not form["understood"]:
        del form["understood"]
    answer = jiro.post(OFFICE, form)
    assert answer.status_code == 422
    assert words in answer.text
    assert ARCHIVE not in answer.text
    assert ArchivePassword.select().where(ArchivePassword.office == cast.xyz).count() == 0


def test_the_suggestion_is_a_new_one_each_time_and_fits(browser: People) -> None:
    jiro = browser("jiro")
    suggested = [re.search(r'id="suggestion">([^<]+)<', jiro.get(OFFICE).text)[1] for _ in range(2)]
    assert suggested[0] != suggested[1]
    assert all(credentials.archive_password_problem(one) is None for one in suggested)


def test_a_test_archive_opens_on_the_persons_pc_and_keeps_nothing(browser: People, cast: Cast, tmp_path: Path) -> None:
    jiro = browser("jiro")
    answer = sets_up(jiro, f"{OFFICE}/test-archive")
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="test.zip"; filename*=UTF-8')
    file = tmp_path / "test.zip"
    file.write_bytes(answer.data)
    assert subprocess.run(["7zz", "t", f"-p{ARCHIVE}", file], capture_output=True).returncode == 0
    assert subprocess.run(["7zz", "t", "-pAnother-One-12", file], capture_output=True).returncode != 0
    assert ArchivePassword.select().where(ArchivePassword.office == cast.xyz).count() == 0
    assert sets_up(jiro, f"{OFFICE}/test-archive", archive_password_again="other").status_code == 422


def test_it_can_never_be_changed(browser: People, cast: Cast) -> None:
    jiro = browser("jiro")
    sets_up(jiro)
    registers(jiro)
    assert sets_up_again(jiro).status_code == 409
    assert sets_up_again(browser("taro")).status_code == 409
    assert archive_passwords.reveal(ArchivePassword.get(ArchivePassword.office == cast.xyz)) == ARCHIVE
    assert archive_passwords.reveal(ArchivePassword.get(ArchivePassword.office == cast.abc)) == cast.archive_password


def sets_up_again(browser: Browser) -> TestResponse:
    another = {"archive_password": "Another-One-2026", "archive_password_again": "Another-One-2026", "understood": "y"}
    return browser.post(OFFICE, another, page="/files/")


def test_only_the_admin_sets_the_office_up(browser: People, cast: Cast) -> None:
    hanako = browser("hanako_at_xyz")
    assert hanako.get("/files/").location == "/admin/office/waiting"
    assert "まだ利用者情報登録(事業所)を終えていません" in hanako.get("/admin/office/waiting").text
    form = {"archive_password": ARCHIVE, "archive_password_again": ARCHIVE, "understood": "y"}
    assert hanako.post(OFFICE, form, page="/admin/office/waiting").location == "/admin/office/waiting"
    assert sets_up_again(browser("jun")).status_code in (403, 409, 422)
    assert ArchivePassword.select().where(ArchivePassword.office == cast.xyz).count() == 0
    sets_up(browser("jiro"))
    assert hanako.get("/files/").status_code == 200


# ── the person ──


def test_the_words_one_holds_are_shown(browser: People) -> None:
    jiro = browser("jiro")
    sets_up(jiro)
    assert "アップロード、取消、承認、配信、受取要求、ダウンロード、メール通知" in jiro.get(USER).text


def test_kana_and_names_are_put_right(browser: People, cast: Cast) -> None:
    jiro = browser("jiro")
    sets_up(jiro)
    assert registers(jiro, kana="ﾎﾞﾀ じろう", name="戊田  次郎").status_code == 303
    user = user_of("jiro", cast)
    assert (user.kana, user.name) == ("ボタ　ジロウ", "戊田　次郎")


WRONG_PERSON = {
    "no kana": ({"kana": "戊田　次郎"}, "全角カタカナ"),
    "no name": ({"name": ""}, "ユーザ名(漢字)を入力してください"),
    "no mail": ({"mail": "jiro"}, "メールアドレスの形が正しくありません"),
    "two mails": ({"mail": "a@b.example,c@d.example"}, "メールアドレスの形が正しくありません"),
    "a header": ({"mail": "a@b.example\r\nBcc: c@d.example"}, "メールアドレスの形が正しくありません"),
    "short password": ({"password": "短い合言葉", "password_again": "短い合言葉"}, "12文字以上"),
    "own id": ({"password": "xyzJiro01-and-more", "password_again": "xyzJiro01-and-more"}, "ユーザーID・氏名"),
    "typed differently": ({"password_again": "another one"}, "入力が違います"),
}


@pytest.mark.parametrize("wrong", WRONG_PERSON)
def test_what_does_not_fit_the_person_is_told(browser: People, cast: Cast, wrong: str) -> None:
    other, words = WRONG_PERSON[wrong]
    jiro = browser("jiro")
    sets_up(jiro)
    answer = registers(jiro, **other)
    assert answer.status_code == 422
    assert words in answer.text
    assert OWN not in answer.text
    assert user_of("jiro", cast).is_initial_password


def test_the_initial_password_cannot_stay(browser: People, cast: Cast) -> None:
    jiro, initial = browser("jiro"), cast.secrets("jiro")["password"]
    sets_up(jiro)
    answer = registers(jiro, password=initial, password_again=initial)
    assert answer.status_code == 422
    assert "初期パスワードと同じものは使えません" in answer.text


def test_fields_that_the_form_does_not_have_are_ignored(browser: People, cast: Cast) -> None:
    jiro = browser("jiro")
    sets_up(jiro, contract_number="1111111-11111111", device_limit="99")
    registers(jiro, kind="fund", login_id="newId0001", disabled_at="", office="1")
    member = Membership.get_by_id(cast.member("jiro").id)
    assert (member.kind, member.login_id, member.office) == ("office_admin", "xyzJiro01", cast.xyz)
    assert cast.xyz.device_limit == 2


# ── a changed address ──


def test_a_changed_address_waits_and_the_first_login_goes_on(app: Flask, browser: People, cast: Cast) -> None:
    jiro = browser("jiro")
    sets_up(jiro)
    assert registers(jiro, mail="ＮＥＷ@XYZ-Kogyo.example").location == "/admin/office/done"
    user = user_of("jiro", cast)
    assert (user.mail, user.pending_mail) == ("jiro@xyz-kogyo.example", "NEW@xyz-kogyo.example")
    subject = "メールアドレスの変更の届出がありました"
    assert told(app, subject) == {("jiro@xyz-kogyo.example", subject)}
    assert jiro.get("/files/").status_code == 200


def test_the_code_mailed_to_it_at_the_next_login_puts_it_in_force(app: Flask, browser: People, cast: Cast) -> None:
    jiro = browser("jiro")
    sets_up(jiro)
    registers(jiro, mail="new@xyz-kogyo.example")
    later = browser("")
    assert logs_in(app, cast, later, "jiro", OWN).location == "/auth/mail"
    assert "ne**@xyz-kogyo.example" in later.get("/auth/mail").text
    code = code_in_mail(app, "new@xyz-kogyo.example", "メールアドレスの確認")
    assert later.post("/auth/mail", {"code": "00000000"}).status_code == 422
    assert later.post("/auth/mail", {"code": code}).location == "/"
    user = user_of("jiro", cast)
    assert (user.mail, user.pending_mail) == ("new@xyz-kogyo.example", None)
    assert AuditEntry.select().order_by(AuditEntry.number.desc()).get().action == "mail.confirmed"
    assert later.get("/auth/mail").location == "/"


def test_unconfirmed_it_hinders_nobody(app: Flask, browser: People, cast: Cast) -> None:
    User.update(pending_mail="new@abc-shoji.example").where(User.id == cast.member("taro").user_id).execute()
    taro = browser("")
    assert logs_in(app, cast, taro, "taro").location == "/auth/mail"
    assert taro.get("/files/").status_code == 200
    assert user_of("taro", cast).mail == "taro@abc-shoji.example"


def test_the_login_code_confirms_no_address_and_the_other_way_round(app: Flask, browser: People, cast: Cast) -> None:
    User.update(pending_mail="new@abc-shoji.example").where(User.id == cast.member("taro").user_id).execute()
    taro = browser("")
    logs_in(app, cast, taro, "taro")
    login_code = code_in_mail(app, "taro@abc-shoji.example")
    assert taro.post("/auth/mail", {"code": login_code}).status_code == 422
    assert user_of("taro", cast).mail == "taro@abc-shoji.example"


def test_guessing_the_code_is_stopped(app: Flask, browser: People, cast: Cast) -> None:
    User.update(pending_mail="new@abc-shoji.example").where(User.id == cast.member("taro").user_id).execute()
    taro = browser("")
    logs_in(app, cast, taro, "taro")
    code = code_in_mail(app, "new@abc-shoji.example", "メールアドレスの確認")
    wrong = f"{(int(code) + 1) % 10**8:08d}"
    statuses = [taro.post("/auth/mail", {"code": wrong}).status_code for _ in range(6)]
    assert statuses == [422] * 5 + [429]
    assert taro.post("/auth/mail", {"code": code}).status_code == 429
    assert user_of("taro", cast).pending_mail == "new@abc-shoji.example"
