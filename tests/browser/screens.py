"""The list of screens: name → (site, person or "", address or steps). `{filing uploaded}` stands for its id."""

from tests.browser import gallery
from tests.browser.gallery import press
from tests.browser.screens_inspections import SCREENS as INSPECTIONS
from tests.browser.screens_people import ABOUT_PEOPLE, Screen

STRANGERS: dict[str, Screen] = {
    "home": ("busy", "", "/"),
    "onetime": ("busy", "", "/onetime/"),
    "onetime-error": ("busy", "", press("/onetime/", "送信")),
    "onetime-receipt": ("busy", "", press("/onetime/", "送信", 契約番号="123456-0000001", ユーザーID="daremoInai1")),
    "auth-identity": ("busy", "", "/auth/"),
    "auth-identity-error": ("busy", "", press("/auth/", "次へ")),
    "auth-code": ("busy", "", gallery.code_step),
    "auth-code-error": ("busy", "", gallery.wrong_code),
    "auth-password": ("busy", "code passed", "/auth/password"),
    "auth-password-error": (
        "busy",
        "code passed",
        press("/auth/password", "ログイン", ユーザーID="abcTaro01", ログインパスワード="chigau-pasuwaado"),
    ),
    "auth-password-no-device": ("fresh", "code passed", gallery.no_device),
    **{f"ended-{why}": ("busy", "", f"/auth/ended?why={why}") for why in ("logout", "idle", "absolute", "newer")},
    **{f"ended-{why}": ("busy", "", f"/auth/ended?why={why}") for why in ("ended", "password")},
    "staff-login": ("busy", "", "/admin/login"),
    "staff-login-error": (
        "busy",
        "",
        press("/admin/login", "ログイン", ユーザーID="dareka01", ログインパスワード="x", ワンタイムパスワード="000000"),
    ),
    "help": ("busy", "", "/help/"),
    **{f"help-{name}": ("busy", "", f"/help/{name}") for name in ("faq", "flow", "findings", "requirements")},
    **{f"help-{name}": ("busy", "", f"/help/{name}") for name in ("network", "terms", "accessibility")},
    "demo-mails-empty": ("fresh", "", "/demo/mail"),
    "demo-mails": ("busy", "", "/demo/mail"),
    "demo-mail": ("busy", "", gallery.newest_mail),
}
ERRORS: dict[str, Screen] = {
    "error-400": ("busy", "", gallery.stale_form),
    "error-403": ("busy", "hanako", "/admin/inbox/"),
    "error-404": ("busy", "taro", "/files/0000"),
    "error-404-stranger": ("busy", "", "/nothing"),
    "error-405": ("busy", "taro", "/auth/logout"),
    "error-409": ("busy", "taro", gallery.someone_was_faster),
    "error-413": ("busy", "hanako", gallery.too_large),
    "home-empty": ("bare", "", "/"),
    "error-500": ("bare", "", gallery.broken),
}
OFFICE: dict[str, Screen] = {
    "filings-empty": ("fresh", "taro", "/files/"),
    "filings-many": ("busy", "taro", "/files/"),
    "filings-last-page": ("busy", "taro", "/files/?page=9"),
    "filings-ticked": ("busy", "taro", gallery.some_ticked),
    "filings-row-done": ("busy", "jun", gallery.row_message),
    "filings-one-state": ("busy", "taro", "/files/?state=completed"),
    "filings-no-such-state": ("busy", "taro", "/files/?state=expired"),
    "filings-consultant": ("busy", "hanako", "/files/?state=approved"),
    "upload": ("busy", "hanako", "/files/upload"),
    "upload-chosen": ("busy", "hanako", gallery.chosen_file),
    "upload-packing": ("busy", "hanako", gallery.files_to_pack),
    "upload-packing-wrong": ("busy", "hanako", gallery.wrong_archive_password),
    "upload-error": ("busy", "hanako", press("/files/upload", "アップロード")),
    "upload-again": ("busy", "hanako", "/files/upload?replaces={filing returned}"),
    **{
        f"filing-{name.replace(' ', '-')}": ("busy", "taro", f"/files/{{{name}}}")
        for name in (
            *("filing uploaded", "filing approved", "filing delivered", "filing received", "filing completed"),
            *("filing rejected", "filing returned", "filing cancelled", "replaced filing"),
            *("waiting filing", "running filing", "failed filing", "warned filing"),
        )
    },
    "filing-consultant": ("busy", "hanako", "/files/{filing uploaded}"),
    "filing-returned-consultant": ("busy", "hanako", "/files/{filing returned}"),
    "filing-return": ("busy", "taro", "/files/{own filing}/return"),
    "filing-return-error": ("busy", "taro", press("/files/{own filing}/return", "差戻し")),
    "statements-empty": ("fresh", "taro", "/files/statements"),
    "statements": ("busy", "taro", "/files/statements"),
    **{
        f"statement-{state}-office": ("busy", "taro", f"/files/{{statement {state}}}")
        for state in ("delivered", "requested", "received")
    },
    "mail-confirmation": ("busy", "hanako", "/auth/mail"),
    "mail-confirmation-error": ("busy", "hanako", press("/auth/mail", "確認")),
    "session-nearly-over": ("busy", "late", gallery.late_notice),
}
FUND: dict[str, Screen] = {
    "inbox-empty": ("fresh", "kiku", "/admin/inbox/"),
    "inbox": ("busy", "kiku", "/admin/inbox/"),
    **{
        f"inbox-{state}": ("busy", "kiku", f"/admin/inbox/{{filing {state}}}")
        for state in ("delivered", "received", "completed", "rejected")
    },
    "inbox-reject": ("busy", "kiku", "/admin/inbox/{filing received}#reject"),
    "inbox-reject-error": ("busy", "kiku", press("/admin/inbox/{filing received}#reject", "不受理にする")),
    "fund-statements-empty": ("fresh", "kiku", "/admin/statements/"),
    "fund-statements": ("busy", "kiku", "/admin/statements/"),
    "statement-offices": ("busy", "kiku", "/admin/statements/new"),
    "statement-offices-none": ("busy", "kiku", "/admin/statements/new?q=無い名前"),
    "statement-form": ("busy", "kiku", "/admin/statements/new/{abc}"),
    "statement-form-error": ("busy", "kiku", press("/admin/statements/new/{abc}", "作成")),
    **{
        f"statement-{state}-fund": ("busy", "kiku", f"/admin/statements/{{statement {state}}}")
        for state in ("uploaded", "approved", "delivered", "requested", "received")
    },
    "status": ("busy", "kiku", "/admin/status/"),
    "desk": ("busy", "dai", "/admin/desk/"),
}
FIRST_LOGIN: dict[str, Screen] = {
    "first-login-waiting": ("fresh", "hanako_at_xyz", "/files/"),
    "first-login-office": ("fresh", "jiro", "/admin/office/registration"),
    "first-login-office-error": ("fresh", "jiro", press("/admin/office/registration", "確定", 事業所略称="XYZ")),
    "first-login-user": ("fresh", "jiro", gallery.second_page_of_first_login),
    "first-login-user-error": ("fresh", "jiro", gallery.second_page_refused),
    "first-login-done": ("fresh", "jiro", gallery.first_login_done),
}
SCREENS: dict[str, Screen] = {**STRANGERS, **ERRORS, **OFFICE, **FUND, **INSPECTIONS, **FIRST_LOGIN, **ABOUT_PEOPLE}
