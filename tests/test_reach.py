"""Who reaches whom: everybody × people of the own office, of other offices, of the fund and its desk × everything that
can be done to a person.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import stage as staging
from tests.people import Browser
from tests.stage import Stage, address, routes
from tests.test_routes import ACTS_ON_PEOPLE, MISSING, ask, asks, form

# Whose file is asked for, by whose people they are.
SUBJECTS = {
    "own": (
        *("target", "taro", "jun", "hanako", "wordless", "only_upload"),
        *("fresh", "disabled", "ended", "other_consultant"),
    ),
    "foreign": ("jiro", "hanako_at_xyz", "rei", "invited", "other_invited", "closed"),
    "fund": ("kiku", "ume", "clerk", "fund_staff", "newcomer"),
    "desk": ("dai",),
}
EVERYTHING = frozenset(ACTS_ON_PEOPLE)
NOTHING: frozenset[str] = frozenset()
OF_REGISTER = frozenset(("detail", "change_profile", "reset", "drop_totp", "move/unlocking"))
OF_UNLOCK = frozenset(("detail", "move/unlocking"))
OF_STAFF = EVERYTHING - {"drop_totp"}  # whose authenticator is lost begins anew
WORD_OF = {"fund": "receive", "desk": "devices"}  # one that this kind of person can hold; "cancel" for the others

# Principal → side → what he may do there; an empty side is unknown to him. Who is missing gets no page about people.
REACH = {
    "taro": {"own": EVERYTHING},
    "rei": {"foreign": EVERYTHING},
    "kiku": {"own": OF_REGISTER, "foreign": OF_REGISTER, "fund": OF_STAFF, "desk": OF_STAFF},
    "fund_staff": {"fund": OF_STAFF, "desk": OF_STAFF},
    "fund_register": {"own": OF_REGISTER, "foreign": OF_REGISTER},
    **dict.fromkeys(staging.OF_DESK, {"own": OF_UNLOCK, "foreign": OF_UNLOCK}),
}
REI_KNOWS = ("rei", "invited", "other_invited")  # of those who are foreign to ABC商事, the people of UVW商会
# Nobody's file, not even the own one.
NEVER = ("stranger", *staging.KEYS, *staging.SENDERS, "code_passed", *staging.GATED, *staging.OVER)


@pytest.fixture(scope="module")
def stage(staged: tuple[Path, dict], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("reach") / "instance"
    with staging.opened(staged, folder, WTF_CSRF_ENABLED=False) as stage:
        yield stage


@pytest.fixture(scope="module")
def browsers(stage: Stage) -> dict[str, Browser]:
    opened = {name: stage.browser(name) for name in (*staging.PRINCIPALS, "rei")}
    staging.close_doors(stage)
    return opened


def allowed(name: str, side: str, subject: str) -> frozenset[str]:
    if subject == "closed":  # nobody's any more: the office is
        return NOTHING
    if name == "rei" and subject not in REI_KNOWS:
        return NOTHING
    return REACH[name].get(side, NOTHING)


def answers(stage: Stage, browsers: dict[str, Browser], name: str, subject: str) -> dict[str, int]:
    """Act → status, of all that a principal tries on one person; each is taken back."""
    about, found = stage.members[subject], {}
    for act in ACTS_ON_PEOPLE:
        route = f"users.{act}"
        rule = routes(stage.app)[route]
        url = address(stage, route, rule, about.uid).replace("/cancel", f"/{WORD_OF.get(about.kind, 'cancel')}")
        found[act] = ask(browsers[name], rule, url, form(stage, route, name, about)).status_code
    return found


@pytest.mark.parametrize("name", REACH)
@pytest.mark.parametrize("side", SUBJECTS)
def test_each_reaches_his_own_people_and_of_them_does_what_is_his(
    stage: Stage, browsers: dict[str, Browser], name: str, side: str
) -> None:
    wrong = []
    for subject in SUBJECTS[side]:
        may = allowed(name, side, subject)
        for act, status in answers(stage, browsers, name, subject).items():
            if act in may or (may and (act, subject) == ("drop_totp", name)):  # of oneself: told how it is done
                # 409 and 422: his to do, but not possible for that person now
                is_right = status in (200, 303, 409, 422)
            else:
                is_right = status == (403 if may else 404)
            wrong += [] if is_right else [f"{act} on {subject}: {status}"]
    assert wrong == []


@pytest.mark.parametrize("name", sorted({*staging.PRINCIPALS} - {*REACH}))
def test_nobody_else_gets_anything_about_anybody(stage: Stage, browsers: dict[str, Browser], name: str) -> None:
    wanted = {303} if name in NEVER else {403}
    wanted |= {403} if name in ("fresh", "hanako_at_xyz") else set()  # the pages are not for their kind
    # The first two of each side, and oneself: who is refused at the door is refused whomever he asks about.
    subjects = {subject for side in SUBJECTS.values() for subject in side[:2]} | ({name} & {*stage.members})
    for subject in subjects:
        seen = answers(stage, browsers, name, subject)
        assert set(seen.values()) <= wanted, (subject, seen)


@pytest.mark.parametrize("name", sorted({*staging.PRINCIPALS, "rei"} - {"stranger", "code_passed"}))
def test_no_word_is_given_that_the_kind_of_person_cannot_hold(
    stage: Stage, browsers: dict[str, Browser], name: str
) -> None:
    rule, given = routes(stage.app)["users.permit"], []
    for subject in ("target", "rei", "kiku", "dai"):
        for word in ("upload", "staff", "unlock", "office_admin", "everything", "Upload", "upload "):
            uid = stage.members[subject].uid
            url = f"/admin/users/{uid}/permissions/{word}"
            answer = ask(browsers[name], rule, url, {"granted": "y"})
            is_given = answer.status_code in (200, 303) and "/users/" in (answer.location or "")
            given += [(subject, word)] if is_given else []
    fits = {"taro": [("target", "upload")], "rei": [("rei", "upload")]}
    fits |= dict.fromkeys(("kiku", "fund_staff"), [("kiku", "staff"), ("dai", "unlock")])
    assert given == fits.get(name, [])


def test_an_admin_does_to_himself_and_to_those_of_several_offices_only_what_is_his(
    stage: Stage, browsers: dict[str, Browser]
) -> None:
    himself, shared = (answers(stage, browsers, "taro", subject) for subject in ("taro", "hanako"))
    assert {act for act, status in himself.items() if status == 422} == {
        *("limit", "reset", "move/suspension", "move/ending"),
    }
    assert {act for act, status in shared.items() if status == 422} == {"change_profile", "reset", "drop_totp"}


def test_nobody_takes_the_authenticator_of_one_of_the_funds_people(stage: Stage, browsers: dict[str, Browser]) -> None:
    """Whose phone is lost begins anew: a password alone opens nothing there."""
    for name in ("kiku", "fund_staff"):
        for subject in (*SUBJECTS["fund"], *SUBJECTS["desk"]):
            status = answers(stage, browsers, name, subject)["drop_totp"]
            assert status == (422 if subject == name else 403), subject


def test_the_name_of_somebody_who_has_not_accepted_stays_with_him(stage: Stage, browsers: dict[str, Browser]) -> None:
    invited = stage.members["invited"]
    user = invited.user
    for url in ("/admin/users/", "/admin/users/matrix", f"/admin/users/{invited.uid}", "/admin/audit/"):
        page = browsers["rei"].get(url)
        assert page.status_code == 200
        assert user.name not in page.text
        assert user.mail not in page.text


def test_an_answer_to_an_invitation_is_only_the_invited_persons(stage: Stage, browsers: dict[str, Browser]) -> None:
    for route in ("account.answer/acceptance", "account.answer/refusal"):
        rule = routes(stage.app)[route]
        for name in ("taro", "rei", "kiku", "dai", "wordless"):
            for uid in (stage.members["invited"].uid, stage.members["other_invited"].uid, MISSING):
                assert asks(stage, browsers, name, route, rule, uid).status_code == 404
        assert asks(stage, browsers, "hanako", route, rule, stage.members["other_invited"].uid).status_code == 404
        assert asks(stage, browsers, "hanako", route, rule, stage.members["hanako_at_xyz"].uid).status_code == 404
        assert asks(stage, browsers, "hanako", route, rule, stage.members["invited"].uid).status_code == 303
