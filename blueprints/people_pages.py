"""What the pages about people show, for an office's own 管理者 and for the fund alike: the list, the matrix of
permissions, the boxes and the acts of one person.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from flask import current_app, render_template, url_for
from flask_login import current_user

from blueprints import deeds, guards
from database import utc_now
from exchange import accounts, credentials, permissions, roster
from exchange.people import Newcomer
from exchange.roster import Person
from models import AuditEntry, Membership, Office

# state → words and the colour of its chip
STATES = {
    "active": ("利用中", "done"),
    "unissued": ("お知らせ発行前", "wait"),
    "fresh": ("ログイン待ち", "go"),
    "lapsed": ("初期パスワード期限切れ", "stop"),
    "locked": ("ログイン停止中（入力誤り）", "stop"),
    "invited": ("承諾待ち", "wait"),
    "disabled": ("利用停止", "off"),
    "ended": ("利用終了", "off"),
}
STAFF_TOTP = "次のログインで、認証アプリも登録し直すことになります。"
ALL, CONSULTANT, NONE = "all", "consultant", "none"


@dataclass(frozen=True)
class Act:
    """Something that can be done to a person's place: `key` as permissions.acts names it, and what its button says."""

    key: str
    url: str  # endpoint, and behind a slash its noun
    label: str
    what: str
    fits: Callable[[Person], bool]
    confirm: str = ""  # {} is the person
    kind: str = "outline"


def _may_come(person: Person) -> bool:
    return person.state not in ("invited", "disabled", "ended")


ACTS = (
    Act(
        *("unlock", "users.move/unlocking", "ログイン停止の解除"),
        "続けて間違えたためのログインの停止を、時間を待たずに解除します。本人からの依頼であることを確かめてください。",
        lambda person: person.state == "locked",
    ),
    Act(
        *("reset", "users.reset", "初期パスワードの再発行"),
        "パスワードを忘れたときや、初期パスワードの期限が過ぎたときに行います。今のパスワードは使えなくなり、"
        "ログイン中の画面も終わります。新しい初期パスワードは、次の画面に一度だけ表示されます。",
        _may_come,
        "{}さんの初期パスワードを再発行します。今のパスワードは使えなくなります。よろしいですか。",
    ),
    Act(
        *("drop_totp", "users.drop_totp", "認証アプリの解除"),
        "スマートフォンを紛失したときや、機種を変えたときに行います。本人からの依頼であることを確かめてください。",
        lambda person: _may_come(person) and person.member.user.has_totp,
        "{}さんの認証アプリを解除します。よろしいですか。",
    ),
    Act(
        *("suspend", "users.move/suspension", "利用停止"),
        "すぐにログインできなくなります。権限と記録は残り、いつでも再開できます。",
        _may_come,
        "{}さんの利用を停止します。ログイン中の画面も終わります。よろしいですか。",
    ),
    Act(
        *("suspend", "users.move/resumption", "利用再開"),
        "もう一度ログインできるようになります。権限は、停止する前のままです。",
        lambda person: person.state == "disabled",
    ),
    Act(
        *("end", "users.move/ending", "依頼の取り下げ"),
        "承諾を待つのをやめます。相手の方の画面からも、この依頼が消えます。",
        lambda person: person.state == "invited",
        "{}さんへの依頼を取り下げます。よろしいですか。",
        "danger",
    ),
)


def listing(office: Office | None) -> dict[str, Any]:
    """The people of an office (None: of the fund and its desk) for a list; those who have left stand apart."""
    persons = roster.people(office, utc_now())
    return {
        **PAGE_WORDS,
        "office": office,
        "persons": [person for person in persons if person.state != "ended"],
        "ended": [person for person in persons if person.state == "ended"],
        "may_open": guards.may_read("users.detail"),
    }


def matrix(office: Office | None) -> dict[str, Any]:
    """People × words, a table for each kind of words there is, and how it came to be so."""
    persons = roster.people(office, utc_now())
    present = [person for person in persons if person.state != "ended"]
    tables = [(permissions.WORDS[kind], list(rows)) for kind, rows in groupby(present, key=_table)]
    known = {uid: person for person in persons for uid in (person.member.uid, person.member.user.uid)}
    history = [_change(entry, known) for entry in roster.history(office)]
    return {
        **PAGE_WORDS,
        "office": office,
        "tables": tables,
        "history": history,
        "now": utc_now(),
        "history_longest": roster.HISTORY_LONGEST,
    }


def boxes(person: Person) -> list[dict[str, Any]]:
    """The words this person can hold, each as _permission.html draws it."""
    return [box(person, word) for word in permissions.WORDS[person.member.kind]]


def box(person: Person, word: str, message: str = "", is_refused: bool = False) -> dict[str, Any]:
    label, explanation = permissions.WORDS[person.member.kind][word]
    return {
        "word": word,
        "label": label,
        "explanation": explanation,
        "is_held": word in person.words,
        "url": url_for("users.permit", uid=person.member.uid, word=word),
        "message": message,
        "is_refused": is_refused,
    }


def preset(kind: str, name: str) -> tuple[str, ...]:
    """The words of a preset for that kind of person; KeyError for one that doesn't exist for it."""
    presets = {NONE: ()}
    if kind not in guards.STAFF_KINDS:
        presets |= {ALL: permissions.ALL_WORDS, CONSULTANT: permissions.CONSULTANT_WORDS}
    return presets[name]


def acts(person: Person, why_not: dict[str, str | None]) -> list[dict[str, Any]]:
    """What the visitor may do to that place now, each with its URL, or with the reason why it can't be done.

    `why_not`: of every act that he may do at all, the reason why not now, or None.
    """
    return [
        {**_offer(act, person), "why_not": why_not[act.key]} for act in ACTS if act.key in why_not and act.fits(person)
    ]


def password_page(newcomer: Newcomer, next_url: str = "") -> str:
    """The one answer that shows an initial password: nothing keeps it, and no page shows it again.

    `next_url`: where the person goes on, instead of to the newcomer's own page.
    """
    member = newcomer.membership
    entrance = "admin.login" if member.is_staff else "auth.identity"
    base_url = current_app.config["BASE_URL"].rstrip("/")
    return render_template(
        "admin/user_password.html",
        **PAGE_WORDS,
        member=member,
        password=newcomer.password,
        ends_at=utc_now() + credentials.INITIAL_PASSWORD_LIFE,
        days=credentials.INITIAL_PASSWORD_LIFE.days,
        entrance=base_url + url_for(entrance),
        onetime=base_url + url_for("onetime.form"),
        next_url=next_url or url_for("users.detail", uid=member.uid),
    )


PAGE_WORDS = {"kinds": deeds.KINDS, "states": STATES, "words_of": permissions.WORDS}


def _table(person: Person) -> str:
    """Kinds that hold the same words share a table; the office's stands for all three of its."""
    return person.member.kind if person.member.is_staff else "office_admin"


def _offer(act: Act, person: Person) -> dict[str, Any]:
    endpoint, _, noun = act.url.partition("/")
    named = f"{person.member.user.name}（{person.member.login_id}）" if person.is_revealed else person.member.login_id
    return {
        "label": act.label,
        "what": act.what + (STAFF_TOTP if act.key == "reset" and person.member.is_staff else ""),
        "kind": act.kind,
        "url": url_for(endpoint, uid=person.member.uid, **({"noun": noun} if noun else {})),
        "confirm": act.confirm.format(named),
        "hidden": {"seen": accounts.seen(person.member)} if act.key == "reset" else {},
    }


def _change(entry: AuditEntry, known: dict[str, Person]) -> dict[str, Any]:
    """An entry of the history: when, who, whom, what, and the words before and after where it tells them."""
    facts, person = entry.details, known.get(entry.subject)
    name = person.member.user.name if person and person.is_revealed else ""
    before, after = _before_after(entry.action, facts)
    return {
        "at": entry.at,
        "who": entry.who_to(current_user.member),
        "whom": f"{name}（{facts['login_id']}）" if name else facts["login_id"],
        "label": deeds.label(entry.action),
        "before": in_words(before) if before is not None else "",
        "after": in_words(after) if after is not None else "",
    }


def _before_after(action: str, facts: dict[str, Any]) -> tuple[list[str] | None, list[str] | None]:
    """The words before and after, each None where the entry tells nothing of them."""
    if action == "member.ended":
        return facts["words"], []
    return facts.get("before"), facts.get("after", facts.get("words"))


def in_words(held: Iterable[str]) -> str:
    """「アップロード、取消」, in the order of the boxes."""
    wanted = set(held)
    return "、".join(label for word, label in deeds.WORDS.items() if word in wanted) or "なし"


def find(uid: str) -> tuple[Membership, Person]:
    """A person within reach of the visitor; 404 for everybody else."""
    member = guards.member_or_404(uid)
    return member, roster.person(member, utc_now())
