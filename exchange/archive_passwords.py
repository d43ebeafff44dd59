"""The 圧縮パスワード of an office: kept sealed, in versions, read only by the code that opens and makes archives."""

from exchange import archives, sealing
from exchange.actors import Actor
from models import ArchivePassword, Office


def keep(actor: Actor, office: Office, password: str, version: int) -> ArchivePassword:
    """Write one version; called by verbs, inside their transaction."""
    return ArchivePassword.create(
        office=office,
        version=version,
        sealed=sealing.seal(password.encode(), _place(office, version)),
        set_by=actor.membership,
        set_at=actor.at,
    )


def reveal(row: ArchivePassword) -> str:
    """The password itself. No page, mail, log or audit entry may carry it."""
    return sealing.unseal(row.sealed, _place(row.office, row.version)).decode()


def proof_archive(row: ArchivePassword) -> bytes:
    """A tiny ZIP with this password, another each time, for a browser to prove what is typed there."""
    return archives.proof_archive(reveal(row))


def _place(office: Office, version: int) -> str:
    return f"archive_password/{office.uid}/{version}"
