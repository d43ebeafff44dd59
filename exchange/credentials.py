"""Passwords and keys: how they are hashed, what makes one acceptable, how random ones are made."""

import secrets
import string
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# Without O, o, I, l, 0 and 1, which the letter says are not used.
ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789"
DOWNLOAD_KEY_LENGTH = 8
INITIAL_PASSWORD_LENGTH = 12
INITIAL_PASSWORD_LIFE = timedelta(days=30)
PASSWORD_LONGEST = 128
ARCHIVE_PASSWORD_SHORTEST, ARCHIVE_PASSWORD_LONGEST = 12, 32
ARCHIVE_PASSWORD_SUGGESTED = 20  # about 115 bits of ALPHABET

# 19 MiB, two passes, one lane; at most eight at once, which stay under 200 MB.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_few_at_once = BoundedSemaphore(8)
_DUMMY = _hasher.hash(secrets.token_hex(16))

COMMON = frozenset((Path(__file__).parent / "common_passwords.txt").read_text().split())
DISGUISES = str.maketrans("@0134$5!7", "aoieassit")
PRINTABLE = frozenset(string.digits + string.ascii_letters + string.punctuation)


def hash_secret(secret: str) -> str:
    """Argon2id in its own text form; takes about 20 ms."""
    with _few_at_once:
        return _hasher.hash(secret)


def is_right(hashed: str | None, secret: str) -> bool:
    """Compare in the same time whether there is a hash or not."""
    try:
        with _few_at_once:
            return _hasher.verify(hashed or _DUMMY, secret) and hashed is not None
    except (VerificationError, InvalidHashError):
        return False


def random_secret(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def has_lapsed(set_at: datetime | None, at: datetime) -> bool:
    """Whether an initial password that was made then can't be used any more."""
    return set_at is None or at - set_at > INITIAL_PASSWORD_LIFE


def suggest_archive_password() -> str:
    return random_secret(ARCHIVE_PASSWORD_SUGGESTED)


def password_problem(password: str, shortest: int, context: Iterable[str]) -> str | None:
    """Why a login password can't be taken, in words, or None.

    `context`: what others know of the person (ID, names, service).
    """
    if len(password) < shortest:
        return f"ログインパスワードは{shortest}文字以上にしてください。覚えやすい単語をいくつか並べる方法が便利です。"
    if len(password) > PASSWORD_LONGEST:
        return f"ログインパスワードは{PASSWORD_LONGEST}文字までにしてください。"
    folded = password.casefold()
    for word in context:
        if len(word) >= 4 and word.casefold() in folded:
            return "ログインパスワードに、ユーザーID・氏名・契約番号・サービス名は使えません。別の言葉にしてください。"
    if _is_common(folded):
        return "よく使われるパスワードのため登録できません。推測されにくい、別の言葉の組み合わせにしてください。"
    return None


def archive_password_problem(password: str) -> str | None:
    """Why a 圧縮パスワード can't be taken, in words, or None.

    Only ASCII: Windows tools encode anything else differently.
    """
    if not all(character in PRINTABLE for character in password):
        return "圧縮パスワードは、半角の英字・数字・記号だけで入力してください（空白と全角文字は使えません）。"
    if not ARCHIVE_PASSWORD_SHORTEST <= len(password) <= ARCHIVE_PASSWORD_LONGEST:
        return f"圧縮パスワードは{ARCHIVE_PASSWORD_SHORTEST}～{ARCHIVE_PASSWORD_LONGEST}文字で入力してください。"
    if _is_common(password.casefold()):
        return "推測されやすい圧縮パスワードのため登録できません。表示されている候補をお使いください。"
    return None


def _is_common(folded: str) -> bool:
    """A known word padded with digits and marks, few different characters, or a run such as abcdef or 987654."""
    core = folded.strip(string.digits + string.punctuation)
    plain = {word.translate(DISGUISES) for word in (folded, core)}
    steps = {ord(b) - ord(a) for a, b in zip(folded, folded[1:], strict=False)}
    return (
        len(set(folded)) < 5
        or steps <= {1}
        or steps <= {-1}
        or bool({folded, core, *plain} & COMMON)
        or _repeats(folded)
    )


def _repeats(folded: str) -> bool:
    return any(
        len(folded) % size == 0 and folded == folded[:size] * (len(folded) // size)
        for size in range(1, len(folded) // 2 + 1)
        if size <= 6
    )
