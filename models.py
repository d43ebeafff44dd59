"""The rows of the database: columns, properties, questions (can_…/is_…) and queries.

No verbs: those live in exchange/. The rows of onboarding stand in papers.py, the connection in database.py.
"""

import json
from datetime import datetime
from typing import Any

from peewee import (
    JOIN,
    SQL,
    AutoField,
    BooleanField,
    CharField,
    DateField,
    ForeignKeyField,
    IntegerField,
    TextField,
    fn,
)

from database import JSONTextField, MomentField, Record, new_uid, today, utc_now

MEMBER_KINDS = ("office_admin", "staff", "consultant", "fund", "desk")
STAFF_KINDS = ("fund", "desk")

FILING, STATEMENT = "filing", "statement"
FILING_STATES = ("uploaded", "approved", "delivered", "received", "completed", "rejected", "returned", "cancelled")
ARRIVED_AT_FUND = ("delivered", "received", "completed", "rejected")
ARRIVED_AT_OFFICE = ("delivered", "requested", "received")

ADMIN_SLOT = 1  # whose PC is the 管理者's
DEVICE_STATES = ("vacant", "issued", "downloaded", "requested", "active", "stopped")
INSPECTION_STATES = ("waiting", "running", "passed", "warned", "failed", "quarantined")


class Setting(Record):
    """One decision of the fund; what exists and its default is declared in exchange/settings.py."""

    key = CharField(primary_key=True)
    value: Any = JSONTextField()


class User(Record):
    """A person: name, mail, password, second factor. Where the person works stands in Membership."""

    uid = CharField(unique=True, default=new_uid)
    name = CharField()
    kana = CharField(default="")
    mail = CharField()
    pending_mail = CharField(null=True)
    password_hash = CharField(null=True)
    password_set_at = MomentField(null=True)
    is_initial_password = BooleanField(default=True)
    totp_sealed = TextField(null=True)
    totp_step = IntegerField(default=0)  # the last 30-second step that was accepted: a code counts once
    created_at = MomentField(default=utc_now)

    @property
    def has_totp(self) -> bool:
        return self.totp_sealed is not None

    @property
    def recovery_codes_left(self) -> int:
        return self.recovery_codes.where(RecoveryCode.used_at.is_null()).count()

    def places(self) -> Any:
        """Where the person can work now, by office: memberships that are accepted, not stopped and not over."""
        return (
            Membership.select(Membership, Office, User)
            .join(Office, JOIN.LEFT_OUTER)
            .switch(Membership)
            .join(User)
            .where(Membership.user == self, Membership.usable(), Office.closed_at.is_null())
            .order_by(Office.office_number, Membership.id)
        )

    def invitations(self) -> Any:
        """Offices that have asked the person to work for them, and wait for an answer."""
        waiting = (Membership.user == self) & Membership.invited_at.is_null(False) & Membership.ended_at.is_null()
        return Membership.select(Membership, Office).join(Office).where(waiting, Office.closed_at.is_null())


class Office(Record):
    """An employer's office and its contract."""

    uid = CharField(unique=True, default=new_uid)
    contract_number = CharField(unique=True)
    office_number = CharField(unique=True)
    name = CharField()  # the fund's ledger
    name_filed = CharField()  # as the office wrote it
    short_name = CharField(default="")
    device_limit = IntegerField(default=3)
    entered_on = DateField()
    download_key_hash = CharField(null=True)
    secrets_issued_at = MomentField(null=True)
    forbids_self_approval = BooleanField(default=False)
    registered_at = MomentField(default=utc_now)
    closed_at = MomentField(null=True)
    postal_code = CharField(constraints=[SQL("DEFAULT ''")], default="")
    address = TextField(constraints=[SQL("DEFAULT ''")], default="")  # in lines, as it stands on an envelope

    @property
    def display_name(self) -> str:
        return self.short_name or self.name

    @property
    def is_closed(self) -> bool:
        return self.closed_at is not None

    def has_active_device(self) -> bool:
        return self.devices.where(Device.state == "active").exists()

    def current_archive_password(self) -> "ArchivePassword | None":
        return self.archive_passwords.order_by(ArchivePassword.version.desc()).first()

    def members(self) -> Any:
        """Current members with their persons, the admin first."""
        return Membership.at(self).where(Membership.ended_at.is_null())

    @property
    def admin(self) -> Any:
        """Its 管理者; None of a closed office."""
        return self.members().where(Membership.kind == "office_admin").first()

    @classmethod
    def by_contract(cls, contract_number: str) -> "Office | None":
        return cls.get_or_none(cls.contract_number == contract_number)

    @classmethod
    def by_uid(cls, uid: str) -> "Office | None":
        return cls.get_or_none(cls.uid == uid)

    @classmethod
    def open_ones(cls, search: str = "", is_closed: bool = False) -> Any:
        query = cls.select().where(cls.closed_at.is_null(not is_closed)).order_by(cls.office_number)
        if search:
            # contains() escapes what LIKE would read as a wildcard
            found = cls.name.contains(search) | cls.office_number.contains(search)
            query = query.where(found | cls.contract_number.contains(search))
        return query

    @classmethod
    def choices(cls, search: str = "") -> Any:
        """Open offices, each with `has_archive_password`: without one nothing can be packed for it."""
        has_one = fn.EXISTS(ArchivePassword.select().where(ArchivePassword.office == cls.id))
        return cls.open_ones(search).select(cls, has_one.alias("has_archive_password"))


class Membership(Record):
    """A person's place in an office or, without an office, in the fund or at its desk. Every actor is one of these."""

    uid = CharField(unique=True, default=new_uid)
    user = ForeignKeyField(User, backref="memberships")
    office = ForeignKeyField(Office, null=True, backref="memberships")
    login_id = CharField()
    kind = CharField()
    created_at = MomentField(default=utc_now)
    ready_at = MomentField(null=True)  # 利用者情報登録 finished
    ended_at = MomentField(null=True)
    invited_at = MomentField(null=True)  # a consultant of another office has been asked, and has not answered yet
    disabled_at = MomentField(null=True)  # 利用停止, until it is taken back
    ends_on = DateField(null=True)  # the last day of a place with an end, in Japan

    class Meta:
        constraints = [
            SQL(f"CHECK (kind IN {MEMBER_KINDS})"),
            SQL("CHECK ((office_id IS NULL) = (kind IN ('fund', 'desk')))"),
        ]

    @property
    def is_staff(self) -> bool:
        """One of the fund's people (基金事務局 or 電子連携サービス事務局)."""
        return self.kind in STAFF_KINDS

    @property
    def is_active(self) -> bool:
        return self.state == "active" and not (self.office and self.office.is_closed)

    @property
    def state(self) -> str:
        """ended, invited, disabled or active."""
        if self.ended_at is not None or (self.ends_on is not None and self.ends_on < today()):
            return "ended"
        if self.invited_at is not None:
            return "invited"
        return "disabled" if self.disabled_at is not None else "active"

    @classmethod
    def usable(cls) -> Any:
        """The condition that a place can be worked in, as far as it lies in its own row."""
        is_in_time = cls.ends_on.is_null() | (cls.ends_on >= today())
        return cls.ended_at.is_null() & cls.invited_at.is_null() & cls.disabled_at.is_null() & is_in_time

    def words(self) -> frozenset[str]:
        """The granted permission words, read now."""
        return frozenset(row.word for row in Grant.select(Grant.word).where(Grant.membership == self))

    @classmethod
    def at_door(cls, contract_number: str, login_id: str) -> "Membership | None":
        """The current member behind 契約番号 + ユーザーID, or None."""
        return (
            cls.select(cls, User, Office)
            .join(User)
            .switch(cls)
            .join(Office)
            .where(
                Office.contract_number == contract_number,
                Office.closed_at.is_null(),
                cls.login_id == login_id,
                cls.usable(),
            )
            .first()
        )

    @classmethod
    def staff_at_door(cls, login_id: str) -> "Membership | None":
        return (
            cls.select(cls, User).join(User).where(cls.office.is_null(), cls.login_id == login_id, cls.usable()).first()
        )

    @classmethod
    def by_uid(cls, uid: str) -> "Membership | None":
        joined = cls.select(cls, User, Office).join(User).switch(cls).join(Office, JOIN.LEFT_OUTER)
        return joined.where(cls.uid == uid).first()

    @classmethod
    def at(cls, office: Office | None) -> Any:
        """Everybody who has or had a place in an office (None: in the fund or at its desk), the admin first."""
        return (
            cls.select(cls, User, Office)
            .join(User)
            .switch(cls)
            .join(Office, JOIN.LEFT_OUTER)
            .where((cls.office == office) if office else cls.office.is_null())
            .order_by(cls.kind != "office_admin", cls.kind, cls.id)
        )

    @classmethod
    def holding(cls, office: "Office | None", *words: str) -> Any:
        """Current members of an office (None: of the fund) who hold every one of the words."""
        here = (cls.office == office) if office else cls.office.is_null()
        query = cls.select(cls, User).join(User).where(here, cls.usable()).order_by(cls.id)
        for word in words:
            query = query.where(cls.id << Grant.select(Grant.membership).where(Grant.word == word))
        return query


# An ID names one current member of an office; login IDs are case-sensitive (SQLite compares BINARY by default).
Membership.add_index(
    Membership.index(Membership.office, Membership.login_id, unique=True, name="membership_office_login_id").where(
        Membership.ended_at.is_null()
    )
)
Membership.add_index(
    Membership.index(Membership.login_id, unique=True, name="membership_staff_login_id").where(
        Membership.office.is_null() & Membership.ended_at.is_null()
    )
)
Membership.add_index(
    Membership.index(Membership.office, unique=True, name="membership_one_admin").where(
        (Membership.kind == SQL("'office_admin'")) & Membership.ended_at.is_null()
    )
)


class Grant(Record):
    """One ticked box: a permission word a member holds."""

    membership = ForeignKeyField(Membership, backref="grants", index=False)
    word = CharField()

    class Meta:
        indexes = ((("membership", "word"), True),)


class RecoveryCode(Record):
    """A code of last resort for whoever has lost the phone with the authenticator; works once."""

    user = ForeignKeyField(User, backref="recovery_codes")
    code_hash = CharField()
    used_at = MomentField(null=True)


class Device(Record):
    """A slot for one PC of an office; slot 1 is the admin's."""

    uid = CharField(unique=True, default=new_uid)
    office = ForeignKeyField(Office, backref="devices", index=False)
    slot = IntegerField()
    state = CharField(default="vacant", constraints=[SQL(f"CHECK (state IN {DEVICE_STATES})")])
    activated_at = MomentField(null=True)
    stopped_at = MomentField(null=True)
    seen_at = MomentField(null=True)  # when somebody was last at work from it
    replaced_at = MomentField(null=True)  # since when another PC is to take the slot

    class Meta:
        indexes = ((("office", "slot"), True),)

    @property
    def is_admins(self) -> bool:
        return bool(self.slot == ADMIN_SLOT)

    @property
    def label(self) -> str:
        return f"{self.slot:02d}"

    @classmethod
    def of(cls, offices: list[Office]) -> dict[int, list["Device"]]:
        """Office's id → its devices by slot, in one query; not those that were stopped and lie beyond its limit."""
        found: dict[int, list[Device]] = {office.id: [] for office in offices}
        counts = (cls.slot <= Office.device_limit) | (cls.state != "stopped")
        for device in cls.select().join(Office).where(cls.office << list(found), counts).order_by(cls.slot):
            found[device.office_id].append(device)
        return found

    @classmethod
    def in_slot(cls, office: Office, slot: int) -> "Device | None":
        return cls.get_or_none(cls.office == office, cls.slot == slot)


class ArchivePassword(Record):
    """A 圧縮パスワード of an office, sealed. Each transfer names the version it was made with."""

    office = ForeignKeyField(Office, backref="archive_passwords", index=False)
    version = IntegerField()
    sealed = TextField()
    set_by = ForeignKeyField(Membership, null=True)
    set_at = MomentField(default=utc_now)

    class Meta:
        indexes = ((("office", "version"), True),)


class LoginSession(Record):
    """A browser that is logged in, or has typed a right one-time password and still owes its password (`stage`)."""

    token_hash = CharField(unique=True)
    membership = ForeignKeyField(Membership, backref="sessions")
    device = ForeignKeyField(Device, null=True)
    stage = CharField(constraints=[SQL("CHECK (stage IN ('code', 'in'))")])
    address = CharField()
    started_at = MomentField(default=utc_now)
    seen_at = MomentField(default=utc_now)
    ended_at = MomentField(null=True)
    ended_because = CharField(null=True)
    confirmed_at = MomentField(null=True)  # when the login password was typed last

    @classmethod
    def with_people(cls) -> Any:
        return (
            cls.select(cls, Membership, User, Office, Device)
            .join(Membership)
            .join(User)
            .switch(Membership)
            .join(Office, JOIN.LEFT_OUTER)
            .switch(cls)
            .join(Device, JOIN.LEFT_OUTER)
        )


class OneTimePassword(Record):
    """A mailed code, derived from a sealed seed and a counter: neither code nor hash is stored. Counter 1 = spent."""

    number = CharField(unique=True)  # 受付番号, shown on the page and in the mail
    membership = ForeignKeyField(Membership, null=True)  # None: asked for a pair that doesn't exist
    purpose = CharField()  # "login" or "mail": confirms a changed address
    seed_sealed = TextField()
    counter = IntegerField(default=0)
    browser_hash = CharField(default="")
    tries_own = IntegerField(default=0)
    tries_other = IntegerField(default=0)
    issued_at = MomentField(default=utc_now)
    expires_at = MomentField()

    class Meta:
        indexes = ((("membership", "purpose", "counter"), False),)


class Throttle(Record):
    """A counter of tries: which limit (kind), of whom (hashed key), since when, how many."""

    kind = CharField()
    key_hash = CharField()
    started_at = MomentField()
    count = IntegerField()

    class Meta:
        indexes = ((("kind", "key_hash"), True),)


class DocumentKind(Record):
    """A kind of 届書 (filing) or 帳票 (statement)."""

    code = CharField(unique=True)
    direction = CharField()
    name = CharField()
    position = IntegerField()
    retired_at = MomentField(null=True)

    @classmethod
    def offered(cls, direction: str) -> Any:
        return cls.select().where(cls.direction == direction, cls.retired_at.is_null()).order_by(cls.position)

    @classmethod
    def named(cls, direction: str, code: str) -> "DocumentKind":
        return cls.offered(direction).where(cls.code == code).get()


class StoredObject(Record):
    """A file in the vault and its sealed key; erasing drops both the key and the file."""

    uid = CharField(unique=True)
    sealed_key = TextField(null=True)
    size = IntegerField()
    sha256 = CharField()
    created_at = MomentField(default=utc_now)
    erased_at = MomentField(null=True)


class Transfer(Record):
    """One 届書 on its way to the fund or one 帳票 on its way to an office. Its bytes never change."""

    uid = CharField(unique=True, default=new_uid)
    receipt_number = CharField(unique=True)
    direction = CharField(constraints=[SQL(f"CHECK (direction IN {(FILING, STATEMENT)})")])
    office = ForeignKeyField(Office, backref="transfers", index=False)
    kind = ForeignKeyField(DocumentKind)
    period = CharField(default="")  # YYYY-MM, or empty
    note = TextField(default="")
    file_name = CharField()
    size = IntegerField()
    sha256 = CharField()
    stored = ForeignKeyField(StoredObject)
    archive_password = ForeignKeyField(ArchivePassword)
    state = CharField(
        default="uploaded", constraints=[SQL(f"CHECK (state IN {(*FILING_STATES, 'requested', 'expired')})")]
    )
    reason = TextField(default="")  # of 差戻し or 不受理
    uploaded_by = ForeignKeyField(Membership, backref="uploads")
    uploaded_at = MomentField(default=utc_now)
    delivered_by = ForeignKeyField(Membership, null=True, backref="deliveries")
    delivered_at = MomentField(null=True)
    requested_at = MomentField(null=True)  # 受取要求 opens the download from here for its window
    replaces = ForeignKeyField("self", null=True, backref="replacements")
    batch = CharField(null=True)
    token = CharField(unique=True)  # of the form that made it: sent twice, it acts once

    class Meta:
        indexes = ((("office", "direction", "state"), False), (("direction", "state"), False))

    @property
    def replacement(self) -> "Transfer | None":
        """The filing that was sent instead of this one, unless that was cancelled."""
        newer = self.replacements.where(Transfer.state != "cancelled")
        return newer.order_by(Transfer.id.desc()).first()

    @property
    def is_filing(self) -> bool:
        return self.direction == FILING

    def is_inspected(self) -> bool:
        return self.inspection.state in ("passed", "warned")

    @property
    def inspection(self) -> "Inspection":
        """Its inspection; already at hand when the row came from `visible_to`."""
        return self.__dict__.get("inspection_row") or self.inspections.get()

    def timeline(self) -> Any:
        """Audit entries about this transfer, oldest first."""
        return AuditEntry.about(self.uid)

    @classmethod
    def known_at(cls, *places: Membership) -> Any:
        """What may be known of there: offices' own, in the fund what has arrived and what it makes, else nothing."""
        offices = [place.office_id for place in places if place.office_id]
        if offices:
            return (cls.office << offices) & ((cls.direction == FILING) | (cls.state << ARRIVED_AT_OFFICE))
        if any(place.kind == "fund" for place in places):
            return (cls.direction == STATEMENT) | (cls.state << ARRIVED_AT_FUND)
        return SQL("0")

    @classmethod
    def visible_to(cls, *places: Membership) -> Any:
        """What may be known of at these places, with all that a row of a list shows."""
        return (
            cls.select(cls, Office, DocumentKind, Inspection, Membership, User)
            .join(Office)
            .switch(cls)
            .join(DocumentKind)
            .switch(cls)
            .join(Inspection, on=(Inspection.transfer == cls.id), attr="inspection_row")
            .switch(cls)
            .join(Membership, on=(cls.uploaded_by == Membership.id))
            .join(User)
            .where(cls.known_at(*places))
        )

    @classmethod
    def known_to(cls, member: Membership, uid: str, direction: str = "") -> "Transfer | None":
        """One transfer out of those the person may know of."""
        query = cls.visible_to(member).where(cls.uid == uid)
        return (query.where(cls.direction == direction) if direction else query).first()


# For the lists of both sides, and for the worker's look at open windows.
Transfer.add_index(Transfer.office, Transfer.direction, Transfer.delivered_at)
Transfer.add_index(Transfer.direction, Transfer.delivered_at)
Transfer.add_index(
    Transfer.index(Transfer.requested_at, name="transfer_requested").where(Transfer.state == SQL("'requested'"))
)


class Inspection(Record):
    """What the judge of archives said about a transfer; a row of its own, not a state."""

    JOB = "inspect"  # kind of the job that writes it

    transfer = ForeignKeyField(Transfer, unique=True, backref="inspections")
    state = CharField(default="waiting", constraints=[SQL(f"CHECK (state IN {INSPECTION_STATES})")])
    findings: Any = JSONTextField(default=list)  # [{"code", "message", "entry", "severity"}]
    entries: Any = JSONTextField(default=list)  # [{"name", "size", "method", "sha256"}]
    finished_at = MomentField(null=True)
    scan: Any = JSONTextField(null=True)  # as in Document, and None while there is no scanner

    @property
    def is_over(self) -> bool:
        return self.state not in ("waiting", "running")

    @property
    def job(self) -> "Job | None":
        return Job.latest(Inspection.JOB, str(self.transfer_id))

    @classmethod
    def has_virus(cls) -> Any:
        """The condition, written out as its index has it: with a parameter SQLite would not use the index."""
        return cls.state == SQL("'quarantined'")


Inspection.add_index(Inspection.index(Inspection.transfer, name="inspection_quarantined").where(Inspection.has_virus()))


class Job(Record):
    """Work to be done after the transaction that asked for it; run by the worker."""

    kind = CharField()
    subject = CharField()
    state = CharField(default="waiting", constraints=[SQL("CHECK (state IN ('waiting', 'running', 'done', 'failed'))")])
    done = IntegerField(default=0)
    total = IntegerField(default=0)
    tries = IntegerField(default=0)
    due_at = MomentField(default=utc_now)
    leased_until = MomentField(null=True)
    lease = CharField(null=True)
    error = CharField(default="")
    created_at = MomentField(default=utc_now)

    class Meta:
        indexes = ((("state", "due_at"), False), (("kind", "subject"), False))

    @classmethod
    def latest(cls, kind: str, subject: str) -> "Job | None":
        return cls.select().where(cls.kind == kind, cls.subject == subject).order_by(cls.id.desc()).first()


class Mail(Record):
    """A mail to be sent, written in the transaction of what it tells.

    Its text, and any code, is made when it is sent.
    """

    uid = CharField(unique=True, default=new_uid)  # becomes the Message-ID: a mail sent twice is one mail
    kind = CharField()
    to_user = ForeignKeyField(User, null=True)
    to_address = CharField(null=True)  # the person's when it was written, or the one to be confirmed
    transfer = ForeignKeyField(Transfer, null=True)
    code = ForeignKeyField(OneTimePassword, null=True, on_delete="SET NULL")  # codes are forgotten, mails stay
    facts: Any = JSONTextField(default=dict)
    state = CharField(default="waiting", constraints=[SQL("CHECK (state IN ('waiting', 'sent', 'dropped', 'dead'))")])
    tries = IntegerField(default=0)
    due_at = MomentField(default=utc_now)
    leased_until = MomentField(null=True)
    expires_at = MomentField(null=True)
    created_at = MomentField(default=utc_now)
    sent_at = MomentField(null=True)
    error = CharField(default="")

    class Meta:
        indexes = ((("state", "due_at"), False),)

    @classmethod
    def backlog(cls, older_than: datetime) -> int:
        """How many mails have been waiting since before that moment."""
        return cls.select().where(cls.state == "waiting", cls.created_at < older_than).count()


class AuditEntry(Record):
    """One thing somebody did. `hash` chains it to the entry before; `facts` is what ACTIONS declares for its action."""

    number = AutoField()
    at = MomentField()
    action = CharField(index=True)
    subject = CharField(default="", index=True)  # uid of what it is about
    office = ForeignKeyField(Office, null=True)
    membership = ForeignKeyField(Membership, null=True)
    who = CharField(default="")  # name and login ID at that time
    device = ForeignKeyField(Device, null=True)
    address = CharField(default="")
    facts = TextField(default="{}")  # canonical JSON, hashed as it stands
    hash = CharField()

    FUND, ELSEWHERE = "基金事務局", "ほかの事業所の利用者"  # what an office reads instead of their names

    @property
    def details(self) -> dict[str, Any]:
        return json.loads(self.facts)

    def is_of_side(self, viewer: Membership) -> bool:
        """Whether somebody of the viewer's own office (of the fund and its desk) did it, or the system."""
        return self.membership is None or self.membership.office_id == viewer.office_id

    def who_to(self, viewer: Membership) -> str:
        """Whoever did it: with login ID within one's own side; the fund reads office and name, an office the name
        neither of the fund's clerks nor of somebody who was at work for another office.
        """
        if self.is_of_side(viewer):
            return self.who
        if self.membership.is_staff:
            return self.FUND
        if not viewer.is_staff:
            return self.ELSEWHERE
        return f"{self.membership.office.display_name} {self.membership.user.name}"

    @classmethod
    def with_people(cls) -> Any:
        """Entries with who did them and on which device."""
        joined = cls.select(cls, Device, Membership, User, Office).join(Device, JOIN.LEFT_OUTER).switch(cls)
        joined = joined.join(Membership, JOIN.LEFT_OUTER).join(User, JOIN.LEFT_OUTER).switch(Membership)
        return joined.join(Office, JOIN.LEFT_OUTER)

    @classmethod
    def about(cls, uid: str, actions: tuple[str, ...] = ()) -> Any:
        found = cls.with_people().where(cls.subject == uid).order_by(cls.number)
        return found.where(cls.action << actions) if actions else found
