"""Which passwords are taken, how they are hashed, how random ones look."""

import string

import pytest

from exchange import credentials

CONTEXT = ("abcJun001", "乙川", "純", "企業年金電子連携サービス", "todoke", "1234567-12345678", "ABC商事株式会社", "")

GOOD = [
    "amber-violin-7-harbour",
    "kettle umbrella snow",
    "青い自転車で海まで行く日曜日",
    "ジテンシャ ト ウミ ト カサ",
    "Tr0mb0ne&Lighthouse",
    "x9!Lq2#Vw7@Zr4",
    "snowsnowlantern",
    "  spaces at both ends  ",
    "🍊🚲🌊🧺🎻🕯 orange bike",
    "correct battery staple horse",
    "zzquiet-river-stone",
    "k7#mP2$vL9@xQ4!nR8%w" * 6,
    "mountain0000lake",
]
BAD = {
    "too short": ["", "short", "elevenchars", "あいうえおかきくけこさ", "x9!Lq2#Vw7@"],
    "too long": ["amber-violin " * 10],
    "known to others": [
        "abcJun001-violin",
        "my-ABCJUN001-key",
        "todoke-harbour-9",
        "TODOKE no densha",
        "amber1234567-12345678",
        "ABC商事株式会社のパスワード",
        "企業年金電子連携サービス12",
    ],
    "common": [
        "password1234",
        "Password!2026",
        "P@ssw0rd1234",
        "p@$$w0rd!!!!",
        "qwertyuiopasdf",
        "qwerty123456",
        "1q2w3e4r5t6y",
        "123456789012",
        "abcdefghijklm",
        "zyxwvutsrqponm",
        "aaaaaaaaaaaa",
        "ababababababab",
        "abcabcabcabc",
        "tanakatanaka",
        "kigyounenkin2026",
        "1234himitsuhimitsu",
        "konnichiwa1234!",
        "administrator",
        "sakurasakura",
        "111122223333",
        "あああああああああああああ",
    ],
}


@pytest.mark.parametrize("password", GOOD)
def test_a_good_password_is_taken(password: str) -> None:
    assert credentials.password_problem(password, 12, CONTEXT) is None


@pytest.mark.parametrize(("why", "password"), [(why, password) for why, bad in BAD.items() for password in bad])
def test_a_bad_password_is_refused_with_its_reason(why: str, password: str) -> None:
    words = {"too short": "文字以上", "too long": "文字まで", "known to others": "使えません", "common": "よく使われる"}
    problem = credentials.password_problem(password, 12, CONTEXT)
    assert problem is not None
    assert words[why] in problem


def test_length_is_counted_in_characters_and_as_the_fund_decides() -> None:
    assert "16文字以上" in credentials.password_problem("amber-violin-7", 16, ())
    assert credentials.password_problem("橋本のある夜に船が三そう出た", 12, ()) is None


def test_short_words_of_the_context_do_not_forbid_everything() -> None:
    assert credentials.password_problem("amber-violin-7-harbour", 12, ("amb", "", "7")) is None


def test_nothing_is_said_about_composition() -> None:
    for password in ("all lower case words here", "ALLUPPERCASEWORDS", "84629357102846"):
        assert credentials.password_problem(password, 12, ()) is None, password


ARCHIVE_GOOD = ["kR7mTp2WvXy9", "kR7mTp2W_vXy9", "a1!B2@c3#D4$e5%F6^g7&H8*i9(", "Mq7RtzK4pQ8nVw3xJ6hYb9cFd5gSe2u7"]
ARCHIVE_BAD = {
    "半角": [
        "ｋＲ７ｍＴｐ２ＷｖＸｙ９",
        "kR7mTp2W vXy9",
        "パスワードkR7mTp2W",
        "kR7mTp2WvXy\t",
        "kR7mTp2WvXy\n",
        "kR7mTp2Wvé12",
    ],
    "12～32文字": ["", "kR7mTp2WvXy", "kR7mTp2WvXy9" * 3],
    "推測": ["password1234", "123456789012", "aaaaaaaaaaaa", "abcabcabcabc", "Himitsuhimitsu1"],
}


@pytest.mark.parametrize("password", ARCHIVE_GOOD)
def test_a_good_archive_password_is_taken(password: str) -> None:
    assert credentials.archive_password_problem(password) is None


@pytest.mark.parametrize(("word", "password"), [(word, one) for word, bad in ARCHIVE_BAD.items() for one in bad])
def test_a_bad_archive_password_is_refused_with_its_reason(word: str, password: str) -> None:
    assert word in (credentials.archive_password_problem(password) or "taken")


def test_the_suggested_archive_password_is_always_good_and_never_the_same() -> None:
    suggested = {credentials.suggest_archive_password() for _ in range(200)}
    assert len(suggested) == 200
    assert {credentials.archive_password_problem(one) for one in suggested} == {None}
    assert {len(one) for one in suggested} == {20}


def test_random_secrets_leave_out_what_looks_alike_and_use_all_the_rest() -> None:
    drawn = set(credentials.random_secret(20_000))
    assert drawn == set(string.ascii_letters + string.digits) - set("OoIl01")


def test_a_hash_is_argon2id_of_the_declared_cost_and_different_each_time() -> None:
    first, second = credentials.hash_secret("amber"), credentials.hash_secret("amber")
    assert first != second
    assert first.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_a_password_is_compared_exactly_as_typed() -> None:
    hashed = credentials.hash_secret(" Ämber ガ ")
    assert credentials.is_right(hashed, " Ämber ガ ")
    for other in ("Ämber ガ", " ämber ガ ", " Ämber \u30ab\u3099 ", " Ämber ガ \n", ""):
        assert not credentials.is_right(hashed, other)


@pytest.mark.parametrize("hashed", [None, "", "nonsense", "$argon2id$v=19$m=8,t=1,p=1$broken"])
def test_without_a_sound_hash_nothing_is_right(hashed: str | None) -> None:
    assert not credentials.is_right(hashed, "amber")
