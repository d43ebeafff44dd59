"""Making a 帳票: attachments in, an archive out that the office's own program opens."""

import random
import subprocess
from pathlib import Path

import pytest

from database import utc_now
from exchange import archives, arrivals, statements, vault
from exchange.actors import Actor
from exchange.errors import Forbidden, Refused
from models import FILING, STATEMENT, ArchivePassword, DocumentKind, StoredObject, Transfer
from tests.people import Cast

FILES = {"決定通知書（11月）.pdf": b"%PDF-1.7\n%%EOF\n" * 500, "一覧 ①.csv": "氏名\r\n髙橋\r\n".encode("cp932")}


def packed(cast: Cast, files: dict[str, bytes] | None = None) -> statements.Packing:
    packing = statements.Packing(cast.abc)
    for name, content in (FILES if files is None else files).items():
        with packing.open(name) as entry:
            entry.write(content)
    return packing


def slip(direction: str = STATEMENT) -> arrivals.Slip:
    kind = DocumentKind.offered(direction).first()
    return arrivals.Slip(kind, "決定通知書.zip", "2026-11", "", utc_now().isoformat())


def prepare(actor: Actor, packing: statements.Packing, direction: str = STATEMENT) -> Transfer:
    try:
        return statements.prepare(actor, packing, slip(direction))
    finally:
        packing.discard()


def test_a_statement_waits_for_its_check_and_carries_the_offices_password(cast: Cast) -> None:
    paper = prepare(cast.ume, packed(cast))
    assert (paper.state, paper.direction, paper.office) == ("uploaded", STATEMENT, cast.abc)
    assert (paper.archive_password, paper.uploaded_by) == (cast.abc.current_archive_password(), cast.member("ume"))
    assert paper.inspection.state == "waiting"


def test_seven_zip_opens_it_with_the_offices_password_and_finds_the_files(cast: Cast, tmp_path: Path) -> None:
    paper = prepare(cast.kiku, packed(cast))
    (tmp_path / "paper.zip").write_bytes(b"".join(vault.pieces(paper.stored)))
    password = f"-p{cast.archive_password}"
    subprocess.run(["7zz", "t", password, "paper.zip"], cwd=tmp_path, check=True, capture_output=True)
    subprocess.run(["7zz", "x", password, "-oout", "paper.zip"], cwd=tmp_path, check=True, capture_output=True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == FILES
    wrong = subprocess.run(["7zz", "t", "-pwrong", "paper.zip"], cwd=tmp_path, capture_output=True, check=False)
    assert wrong.returncode != 0


def test_without_attachments_there_is_no_statement(cast: Cast) -> None:
    with pytest.raises(Refused, match="添付"):
        prepare(cast.kiku, packed(cast, {}))
    assert Transfer.select().count() == 0


def test_two_attachments_of_one_name_both_arrive(cast: Cast) -> None:
    packing = packed(cast)
    with packing.open("一覧 ①.csv") as entry:
        entry.write(b"another")
    paper = prepare(cast.kiku, packing)
    with vault.open_stream(paper.stored) as stream:
        names = [entry.name for entry in archives.inspect(stream, cast.archive_password).entries]
    assert len(names) == len(set(names)) == 3


def test_a_second_attachment_cannot_be_opened_while_the_first_is(cast: Cast) -> None:
    packing = statements.Packing(cast.abc)
    packing.open("a.csv")
    with pytest.raises(ValueError):
        packing.open("b.csv")
    packing.discard()
    assert StoredObject.select().count() == 0


def test_an_office_without_its_password_gets_no_statement(cast: Cast, instance: Path) -> None:
    assert ArchivePassword.select().where(ArchivePassword.office == cast.xyz).count() == 0
    with pytest.raises(Refused, match="初回登録"):
        statements.Packing(cast.xyz)
    assert list((instance / "vault" / "incoming").iterdir()) == []


@pytest.mark.parametrize("name", ["taro", "dai"])
def test_only_clerks_with_the_word_prepare(cast: Cast, name: str) -> None:
    with pytest.raises(Forbidden):
        prepare(getattr(cast, name), packed(cast))
    assert Transfer.select().count() == 0


def test_a_kind_of_filing_is_no_statement(cast: Cast) -> None:
    with pytest.raises(Refused, match="種類"):
        prepare(cast.kiku, packed(cast), FILING)


def test_a_statement_larger_than_the_limit_is_refused_and_leaves_nothing(cast: Cast, instance: Path) -> None:
    packing = statements.Packing(cast.abc, limit=1000)
    entry = packing.open("noise.pdf")
    with pytest.raises(vault.TooLarge):
        entry.write(random.Random(1).randbytes(100_000))
    packing.discard()
    assert list((instance / "vault" / "incoming").iterdir()) == []


def test_attachments_given_up_leave_nothing(cast: Cast, instance: Path) -> None:
    packing = packed(cast)
    packing.discard()
    folder = instance / "vault"
    assert [*(folder / "incoming").iterdir(), *(folder / "objects").iterdir()] == []


def test_no_plaintext_of_an_attachment_reaches_the_disk(cast: Cast, instance: Path) -> None:
    marker = b"an unusual sentence in an attachment"
    paper = prepare(cast.kiku, packed(cast, {"a.pdf": marker * 5000}))
    (path,) = (instance / "vault" / "objects").iterdir()
    assert path.name == paper.stored.uid
    assert marker[:12] not in path.read_bytes()
    assert cast.archive_password.encode() not in path.read_bytes()
