"""The list of screens of onboarding: 届出受付, the online form, letters, the download counter, its papers, progress.

`{file errors}` stands for its id.
"""

from tests.browser import gallery_onboarding as rooms
from tests.browser.gallery import press
from tests.browser.gallery_people import just_now
from tests.browser.screens_people import Screen

FILE = "/admin/registrations/files/"
IMPORT = "読み込んで確かめる"
REGISTRATIONS: dict[str, Screen] = {
    "registrations-empty": ("fresh", "kiku", "/admin/registrations/"),
    "registrations": ("busy", "kiku", "/admin/registrations/"),
    "registrations-error": ("busy", "kiku", press("/admin/registrations/", IMPORT)),
    "registrations-no-csv": (
        *("busy", "kiku"),
        rooms.chosen_file("/admin/registrations/", IMPORT, "登録届.csv", b"\x00\x01"),
    ),
    "registrations-password-needed": (
        *("busy", "kiku"),
        rooms.chosen_file("/admin/registrations/", IMPORT, "登録届.zip", rooms.zip_of("kagi-wa-doko")),
    ),
    **{
        f"registration-file-{name}": ("busy", "kiku", f"{FILE}{{file {name}}}")
        for name in ("errors", "clean", "many", "emptied", "registered", "discarded")
    },
    "registration-file-only-errors": ("busy", "kiku", FILE + "{file errors}?shown=errors"),
    "registration-file-no-errors": ("busy", "kiku", FILE + "{file clean}?shown=errors"),
    "registration-file-row-open": ("busy", "kiku", FILE + "{file clean}?row={a row}#r-{a row}"),
    "registration-file-mended": ("busy", "kiku", rooms.mended_row),
    **{
        f"registration-{name}": ("busy", "kiku", f"/admin/registrations/{{filed {name}}}")
        for name in ("open", "wrong", "accepted", "returned")
    },
    "registration-return": ("busy", "kiku", "/admin/registrations/{filed open}#reject"),
    "registration-return-error": ("busy", "kiku", press("/admin/registrations/{filed open}#reject", "差し戻す")),
    "invitations-empty": ("fresh", "kiku", "/admin/invitations/"),
    "invitations": ("busy", "kiku", "/admin/invitations/"),
    "invitations-error": ("busy", "kiku", press("/admin/invitations/", "招待コードを送る", メールアドレス="soumu")),
    "invitations-many-error": ("busy", "kiku", rooms.many_wrong),
}
ONLINE: dict[str, Screen] = {
    "code": ("busy", "", "/registration/"),
    "code-from-link": ("busy", "", "/registration/#abcde-fghjk-mnpqr-stuvw"),
    "code-error": ("busy", "", press("/registration/", "入力画面を開く")),
    "code-wrong": ("busy", "", press("/registration/", "入力画面を開く", 招待コード="abcde-fghjk-mnpqr-stuvw")),
    "filing-form": ("busy", "filing", "/registration/"),
    "filing-form-error": ("busy", "filing", press("/registration/", "確認", 郵便番号="12", ユーザーID="短い")),
    "filing-form-again": ("busy", "refiling", "/registration/"),
    "filing-confirm": ("busy", "filing", rooms.filled_in),
    "filing-receipt": ("busy", "filed open", "/registration/receipt"),
    "filing-receipt-returned": ("busy", "filed returned", "/registration/receipt"),
}
LETTERS: dict[str, Screen] = {
    "letters-empty": ("fresh", "kiku", "/admin/letters/"),
    "letters-many": ("busy", "kiku", "/admin/letters/"),
    "letters-ticked": ("busy", "kiku", "/admin/letters/?ticked=all#due"),
    "letters-refused": ("busy", "kiku", just_now("/admin/letters/", "お知らせを発行")),
    "letters-asked-again": ("busy", "late kiku", rooms.asked_again),
    **{
        f"letters-{name.replace(' ', '-')}": ("busy", "kiku", f"/admin/letters/{{letters {name}}}")
        for name in ("waiting", "running", "ready", "saved", "printed", "given up")
    },
    "letters-date-error": (
        "busy",
        "kiku",
        press("/admin/letters/{letters saved}", "印刷を確認しました", 発送日="きのう"),
    ),
    "letters-removal": ("busy", "kiku", "/admin/letters/{letters ready}#removal"),
    "addresses": ("busy", "kiku", "/admin/letters/addresses"),
    "addresses-no-file": ("busy", "kiku", press("/admin/letters/addresses", "取り込む")),
    "addresses-error": (
        *("busy", "kiku"),
        rooms.chosen_file(
            *("/admin/letters/addresses", "取り込む", "住所.csv"),
            "事業所番号,郵便番号,住所\n99999,100-0001,東京都\n20001,1,東京都\n20002,,東京都\n".encode(),
        ),
    ),
    "office-with-letter": ("busy", "kiku", "/admin/offices/{office with letter}"),
}
COUNTER: dict[str, Screen] = {
    "download": ("busy", "", "/download/"),
    "download-error": ("busy", "", press("/download/", "送信")),
    "download-wrong": (
        *("busy", ""),
        press("/download/", "送信", 契約番号="123456-0000001", ダウンロードパスワード="202611ABCDabcd"),
    ),
    "download-list": ("busy", "visitor", "/download/list"),
    "download-list-nothing-ready": ("fresh", "visitor", "/download/list"),
    "download-closed": ("busy", "visitor", rooms.closed_counter),  # ends the visit, so it comes last
}
PAPERS: dict[str, Screen] = {
    "documents-empty": ("fresh", "kiku", "/admin/documents/"),
    "documents": ("busy", "kiku", "/admin/documents/"),
    "document-new": ("busy", "kiku", "/admin/documents/new"),
    "document-new-error": ("busy", "kiku", press("/admin/documents/new", "掲載", 版の日付="きのう")),
    "document-no-pdf": (
        *("busy", "kiku"),
        rooms.chosen_file(
            "/admin/documents/new", "掲載", "手順書.docx", b"PK\x03\x04", 名称="手順", 版の日付="2026/11/23"
        ),
    ),
    **{
        name.replace(" ", "-"): ("busy", "kiku", f"/admin/documents/{{{name}}}")
        for name in ("document", "newer document", "long document", "chosen document", "withdrawn document")
    },
    "document-missing": ("busy", "kiku", "/admin/documents/{newer document}?state=missing"),
    "installers": ("busy", "dai", "/admin/installers/{abc}"),
    "installers-none": ("busy", "dai", "/admin/installers/{new office}"),
    "installers-error": ("busy", "dai", press("/admin/installers/{new office}", "端末 01 に登録")),
    "installers-no-program": (
        *("busy", "dai"),
        rooms.chosen_file("/admin/installers/{new office}", "端末 01 に登録", "setup.pdf", b"%PDF-1.7"),
    ),
    "desk-with-installers": ("busy", "dai", "/admin/desk/"),
}
CONTRACTS: dict[str, Screen] = {
    "contract": ("busy", "kiku", "/admin/contracts/{abc}"),
    "contract-without-letter": ("busy", "kiku", "/admin/contracts/{long office}"),
    "contract-with-open-letter": ("busy", "kiku", "/admin/contracts/{office with open letter}"),
    "contract-correction-error": ("busy", "kiku", just_now("/admin/contracts/{abc}", "訂正", 郵便番号="12")),
    "contract-devices-error": ("busy", "kiku", just_now("/admin/contracts/{abc}", "台数を変更", 利用台数="多め")),
    "contract-reissue-error": ("busy", "kiku", just_now("/admin/contracts/{abc}", "再発行")),
    "contract-closing-error": ("busy", "kiku", just_now("/admin/contracts/{abc}", "契約を終了")),
    "progress": ("busy", "kiku", "/admin/progress/"),
    "progress-one-step": ("busy", "kiku", "/admin/progress/?step=dispatched"),
    "progress-stuck": ("busy", "kiku", "/admin/progress/?stuck=y"),
    "progress-none": ("busy", "kiku", "/admin/progress/?step=activated"),
    "progress-done": ("busy", "kiku", "/admin/progress/?step=done"),
    **{
        f"progress-of-{name.replace(' ', '-')}": ("busy", "kiku", f"/admin/progress/{{{name}}}")
        for name in ("abc", "xyz", "new office", "stuck office", "office with letter")
    },
    "progress-own": ("busy", "taro", "/admin/office/progress"),
}
ONBOARDING: dict[str, Screen] = {**REGISTRATIONS, **ONLINE, **LETTERS, **PAPERS, **CONTRACTS, **COUNTER}
