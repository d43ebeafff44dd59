"""Making a 帳票: attachments go straight from the form into an AES-256 ZIP with the receiving office's
圧縮パスワード.
"""

from exchange import archive_passwords, archives, arrivals, permissions, vault
from exchange.actors import Actor
from exchange.errors import Refused
from exchange.zip_writer import EntryWriter
from models import STATEMENT, Office, Transfer


class Packing:
    """A ZIP in the making for one office: plaintext comes in, only ciphertext reaches the disk.

    `limit`: bytes of the ZIP.
    """

    def __init__(self, office: Office, limit: int | None = None) -> None:
        password = office.current_archive_password()
        if password is None:
            raise Refused("この事業所はまだ初回登録が済んでいないため、帳票を作成できません。")
        self.office = office
        self.names: list[str] = []
        self._receiving = vault.Receiving(limit)
        self._packer = archives.Packer(self._receiving, archive_passwords.reveal(password))
        self._packer.__enter__()

    def open(self, name: str) -> EntryWriter:
        """The next attachment, to be written and closed before another is opened."""
        try:
            entry = self._packer.open(name)
        except archives.ArchiveError as error:
            raise Refused(error.finding.message) from error
        self.names.append(name)
        return entry

    def finish(self) -> vault.Stored:
        self._packer.__exit__(None, None, None)
        return self._receiving.finish()

    def discard(self) -> None:
        self._receiving.discard()


def prepare(actor: Actor, packing: Packing, slip: arrivals.Slip) -> Transfer:
    """作成: from the packed attachments to 確認待ち, inspected like any upload."""
    permissions.require(actor, "prepare")
    if not packing.names:
        raise Refused("添付するファイルが選ばれていません。1つ以上選んでください。")
    return arrivals.sent_before(actor, slip) or arrivals.register(
        actor, STATEMENT, packing.office, packing.finish(), slip
    )
