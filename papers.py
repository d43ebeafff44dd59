"""The rows of onboarding: filed registrations, letters with keys, the documents that offices fetch, and the visits of
those who are not logged in. No verbs; the rows of people, offices and transfers stand in models.py.
"""

from typing import Any

from peewee import SQL, BooleanField, CharField, DateField, ForeignKeyField, IntegerField, TextField

from database import JSONTextField, MomentField, Record, new_uid, utc_now
from models import AuditEntry, Membership, Office, StoredObject

INTAKE_STATES = ("open", "registered", "discarded")
REGISTRATION_STATES = ("open", "registered", "returned", "discarded")
BATCH_STATES = ("waiting", "ready", "printed", "erased")
VISIT_PURPOSES = ("download", "registration", "activate")


class Intake(Record):
    """A file of 電子連携管理者登録届 that a clerk looks through before it is registered as a whole."""

    uid = CharField(unique=True, default=new_uid)
    file_name = CharField()
    state = CharField(default="open", constraints=[SQL(f"CHECK (state IN {INTAKE_STATES})")])
    token = CharField(unique=True)  # of the form that brought it: sent twice, it is one
    received_by = ForeignKeyField(Membership, null=True)
    received_at = MomentField(default=utc_now)
    decided_at = MomentField(null=True)

    def timeline(self) -> Any:
        """Audit entries about the file, oldest first."""
        return AuditEntry.about(self.uid)

    @classmethod
    def by_uid(cls, uid: str) -> "Intake | None":
        return cls.get_or_none(cls.uid == uid)


class Invitation(Record):
    """The fund's wish that an office files its registration online; its code opens the form once."""

    uid = CharField(unique=True, default=new_uid)
    token_hash = CharField(unique=True)
    code_sealed = TextField(null=True)  # for the mail; None once the code is spent or void
    mail = CharField()
    office_name = CharField()
    invited_by = ForeignKeyField(Membership, null=True)
    invited_at = MomentField(default=utc_now)
    expires_at = MomentField()
    opened_at = MomentField(null=True)  # the token is spent
    filed_at = MomentField(null=True)
    withdrawn_at = MomentField(null=True)
    returned: Any = ForeignKeyField("self", null=True)  # the invitation whose registration was sent back
    reason = TextField(default="")  # why it was

    @classmethod
    def by_uid(cls, uid: str) -> "Invitation | None":
        return cls.get_or_none(cls.uid == uid)

    def registration(self) -> "Registration | None":
        """What was filed with it."""
        return self.registrations.first()


class Registration(Record):
    """One 電子連携管理者登録届: a row of a file, or typed by an office itself.

    `cells`: columns A to H as they came, until it is discarded or filed anew.
    """

    uid = CharField(unique=True, default=new_uid)
    intake = ForeignKeyField(Intake, null=True, backref="registrations")
    line = IntegerField(default=1)  # physical line in the file
    invitation = ForeignKeyField(Invitation, null=True, backref="registrations")
    receipt_number = CharField(null=True, unique=True)  # of one that was filed online
    cells: Any = JSONTextField(default=list)
    postal_code = CharField(default="")
    address = TextField(default="")
    state = CharField(default="open", constraints=[SQL(f"CHECK (state IN {REGISTRATION_STATES})")])
    office = ForeignKeyField(Office, null=True)  # what it became
    reason = TextField(default="")  # why it was sent back
    received_at = MomentField(default=utc_now)
    decided_at = MomentField(null=True)
    decided_by = ForeignKeyField(Membership, null=True)

    class Meta:
        indexes = ((("state", "received_at"), False),)

    @property
    def office_name(self) -> str:
        """As the office typed it; of one whose cells are gone, as it was invited."""
        return self.cells[6] if len(self.cells) > 6 else self.invitation.office_name

    def timeline(self) -> Any:
        """Audit entries about it, oldest first."""
        return AuditEntry.about(self.uid)

    @classmethod
    def by_uid(cls, uid: str) -> "Registration | None":
        return cls.get_or_none(cls.uid == uid)


class Visit(Record):
    """A browser that showed the right key at a counter without login; opens that counter for that office only."""

    token_hash = CharField(unique=True)
    purpose = CharField(constraints=[SQL(f"CHECK (purpose IN {VISIT_PURPOSES})")])
    office = ForeignKeyField(Office, null=True)
    invitation = ForeignKeyField(Invitation, null=True)
    address = CharField()
    started_at = MomentField(default=utc_now)
    expires_at = MomentField()
    ended_at = MomentField(null=True)


class LetterBatch(Record):
    """Letters that are made together and printed as one PDF, which lies in the vault until that is confirmed."""

    uid = CharField(unique=True, default=new_uid)
    token = CharField(unique=True, null=True)  # of the form that ordered it: sent twice, it is one
    state = CharField(default="waiting", constraints=[SQL(f"CHECK (state IN {BATCH_STATES})")])
    stored = ForeignKeyField(StoredObject, null=True)
    made_by = ForeignKeyField(Membership, null=True)
    made_at = MomentField(default=utc_now)
    ready_at = MomentField(null=True)
    expires_at = MomentField(null=True)  # the PDF is erased then, printed or not
    downloaded_at = MomentField(null=True)
    ended_at = MomentField(null=True)  # the print was confirmed, or the PDF erased without
    ended_by = ForeignKeyField(Membership, null=True)
    dispatched_on = DateField(null=True)

    def is_on_paper(self) -> bool:
        """Whether somebody has the PDF, and its letters wait to be told as posted: also after its day."""
        is_saved = self.state in ("ready", "erased") and self.downloaded_at is not None
        return is_saved and self.letters.where(Letter.voided_at.is_null()).exists()

    @classmethod
    def by_uid(cls, uid: str) -> "LetterBatch | None":
        return cls.get_or_none(cls.uid == uid)

    def timeline(self) -> Any:
        """Audit entries about these letters as a whole, oldest first."""
        return AuditEntry.about(self.uid)


class Letter(Record):
    """One 管理者情報登録完了のお知らせ. Its secrets stand only on its page, which `stored` holds until the batch is put
    together.
    """

    uid = CharField(unique=True, default=new_uid)
    batch = ForeignKeyField(LetterBatch, backref="letters")
    office = ForeignKeyField(Office, backref="letters")
    position = IntegerField()
    is_reissue = BooleanField(default=False)
    reason = TextField(default="")
    stored = ForeignKeyField(StoredObject, null=True)
    issued_at = MomentField(null=True)
    voided_at = MomentField(null=True)  # a newer one took its place, it was erased before it was printed, or it failed
    is_failed = BooleanField(default=False)  # its page could not be set


class Document(Record):
    """One edition of a manual or notice at the download counter; editions of one document share `series`."""

    uid = CharField(unique=True, default=new_uid)
    series = CharField(default=new_uid, index=True)
    label = CharField()
    edition_on = DateField()
    file_name = CharField()
    stored = ForeignKeyField(StoredObject)
    is_for_all = BooleanField(default=True)
    scan: Any = JSONTextField(null=True)  # {"engine", "signatures_at", "at", "verdict"}, None while nothing has looked
    published_by = ForeignKeyField(Membership, null=True)
    published_at = MomentField(default=utc_now)
    withdrawn_at = MomentField(null=True)

    @classmethod
    def by_uid(cls, uid: str) -> "Document | None":
        return cls.get_or_none(cls.uid == uid)


class DocumentOffice(Record):
    """An office that a document is for, when it isn't for all."""

    document = ForeignKeyField(Document, backref="offices", index=False)
    office = ForeignKeyField(Office)

    class Meta:
        indexes = ((("document", "office"), True),)
