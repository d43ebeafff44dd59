"""The list of screens, continued: the start page, people and their permissions, one's own account, the fund's settings
and the record. `{jun}` stands for the id of that person's place.
"""

from tests.browser import gallery_people as rooms
from tests.browser.gallery import Steps, press
from tests.browser.gallery_people import just_now

Screen = tuple[str, str, str | Steps]

START: dict[str, Screen] = {
    "start-admin": ("busy", "taro", "/"),
    "start-consultant-of-two": ("busy", "hanako", "/"),
    "start-clerk": ("busy", "kiku", "/"),
    "start-desk": ("busy", "dai", "/"),
    "start-empty": ("fresh", "taro", "/"),
    "start-clerk-empty": ("fresh", "kiku", "/"),
    "everywhere": ("busy", "hanako", "/files/everywhere"),
    "everywhere-other-office": ("busy", "hanako", "/files/everywhere?page=2"),
    "everywhere-statements": ("busy", "hanako", "/files/everywhere?direction=statement"),
    "everywhere-no-such-state": ("busy", "hanako", "/files/everywhere?state=expired"),
    "everywhere-empty": ("fresh", "hanako_at_abc", "/files/everywhere"),
    "auth-identity-noticed": ("busy", "", rooms.noticed("/auth/")),
    "staff-login-noticed": ("busy", "", rooms.noticed("/admin/login")),
    "filings-noticed": ("busy", "hanako", rooms.noticed("/files/")),
}
PEOPLE: dict[str, Screen] = {
    "users": ("busy", "taro", "/admin/users/"),
    "users-full": ("fresh", "taro", "/admin/users/"),
    "user-new": ("busy", "taro", "/admin/users/new"),
    "user-new-full": ("fresh", "taro", "/admin/users/new"),
    "user-new-error": ("busy", "taro", just_now("/admin/users/new", "追加", ユーザーID="みじかい")),
    "user-link": ("busy", "taro", "/admin/users/link"),
    "user-link-error": ("busy", "taro", just_now("/admin/users/link", "依頼する")),
    **{
        f"user-{name}": ("busy", "taro", f"/admin/users/{{{name}}}")
        for name in ("taro", "jun", "hanako", "invited", "disabled", "locked", "lapsed", "fresh", "ended")
    },
    "user-ending": ("busy", "taro", "/admin/users/{jun}#ending"),
    "user-box": ("busy", "taro", rooms.box_ticked),
    "user-error": ("busy", "taro", just_now("/admin/users/{jun}", "変更", メールアドレス="だれか")),
    "user-password": ("busy", "taro", just_now("/admin/users/{fresh}", "初期パスワードの再発行")),
    "matrix": ("busy", "taro", "/admin/users/matrix"),
    "matrix-small": ("fresh", "taro", "/admin/users/matrix"),
    "office": ("busy", "taro", "/admin/office/"),
    "office-error": ("busy", "taro", just_now("/admin/office/", "変更", 事業所略称="あ" * 31)),
    "office-of-staff": ("busy", "jun", "/admin/office/"),
}
ACCOUNT: dict[str, Screen] = {
    "account": ("busy", "taro", "/admin/account/"),
    "account-authenticator": ("busy", "jun", "/admin/account/"),
    "account-mail-pending": ("busy", "hanako", "/admin/account/"),
    "account-clerk": ("busy", "kiku", "/admin/account/"),
    "account-error": ("busy", "taro", just_now("/admin/account/", "変更", メールアドレス="だれか")),
    "password": ("busy", "taro", "/admin/account/password"),
    "password-error": ("busy", "taro", press("/admin/account/password", "変更", 新しいログインパスワード="abc")),
    "totp": ("busy", "taro", just_now("/admin/account/", "認証アプリを登録")),
    "totp-again": ("busy", "jun", just_now("/admin/account/", "認証アプリを登録し直す")),
    "totp-error": ("busy", "taro", just_now("/admin/account/totp", "確認して登録", 認証アプリの6桁="000000")),
    "recovery-codes": ("busy", "jun", just_now("/admin/account/", "回復コードを作り直す")),
    "invitations": ("busy", "hanako", "/admin/account/invitations"),
    "invitations-none": ("busy", "taro", "/admin/account/invitations"),
    "confirm": ("busy", "taro", rooms.long_ago("/admin/users/{jun}", "変更")),
    "confirm-error": ("busy", "taro", rooms.wrong_answer),
}
FUND: dict[str, Screen] = {
    "offices": ("busy", "kiku", "/admin/offices/"),
    "offices-none": ("busy", "kiku", "/admin/offices/?q=無い名前"),
    "offices-desk": ("busy", "dai", "/admin/offices/"),
    "office-people": ("busy", "kiku", "/admin/offices/{abc}"),
    "office-people-desk": ("busy", "dai", "/admin/offices/{abc}"),
    "office-matrix": ("busy", "kiku", "/admin/offices/{abc}/matrix"),
    "office-user": ("busy", "kiku", "/admin/users/{jun}"),
    "office-user-locked-desk": ("busy", "dai", "/admin/users/{locked}"),
    "staff": ("busy", "kiku", "/admin/users/"),
    "staff-new": ("busy", "kiku", "/admin/users/new"),
    "staff-new-error": ("busy", "kiku", just_now("/admin/users/new", "追加")),
    **{f"staff-{name}": ("busy", "kiku", f"/admin/users/{{{name}}}") for name in ("kiku", "ume", "dai", "momo")},
    "staff-box-refused": ("busy", "kiku", rooms.box_refused),
    "staff-password": ("busy", "kiku", just_now("/admin/users/{ume}", "初期パスワードの再発行")),
    "staff-matrix": ("busy", "kiku", "/admin/users/matrix"),
    "staff-first-login-totp": ("busy", "momo", "/admin/account/totp"),
    "staff-first-login-user": ("busy", "aoi", "/admin/user/registration"),
    "staff-first-login-user-error": ("busy", "aoi", press("/admin/user/registration", "登録")),
    "settings": ("busy", "kiku", "/admin/settings/"),
    "settings-error": ("busy", "kiku", just_now("/admin/settings/", "保存", ワンタイムパスワードの有効時間="99")),
    "audit": ("busy", "taro", "/admin/audit/"),
    "audit-fund": ("busy", "kiku", "/admin/audit/"),
    "audit-desk": ("busy", "dai", "/admin/audit/"),
    "audit-filtered": ("busy", "taro", "/admin/audit/?member={jun}&since=2026/04/01"),
    "audit-none": ("busy", "taro", "/admin/audit/?q=だれもいない"),
    "audit-error": ("busy", "taro", "/admin/audit/?since=きのう&until=あした"),
}
ABOUT_PEOPLE: dict[str, Screen] = {**START, **PEOPLE, **ACCOUNT, **FUND}
