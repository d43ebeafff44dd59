"""The rows of an office's PCs: installers, the requests to activate them, what the VPN server is asked to do, and the
change of a 管理者 that comes with a PC. No verbs; the slots themselves (`Device`) stand in models.py.
"""

from typing import Any

from peewee import SQL, BooleanField, CharField, ForeignKeyField, TextField, fn

from database import JSONTextField, MomentField, Record, new_uid, utc_now
from models import AuditEntry, Device, Membership, Office, StoredObject
from papers import Letter, LetterBatch

ACTIVATION_STATES = ("waiting", "settling", "activated", "returned", "void")
ORDER_STATES = ("waiting", "done", "void")
BUILD_STATES = ("waiting", "built", "failed", "void")
HANDOVER_KINDS = ("planned", "emergency")
HANDOVER_STATES = ("open", "done", "withdrawn")


class Installer(Record):
    """The installer of one device slot; a newer one withdraws it.

    One that the server built carries secrets of its own: `key_sealed` is the key that its confirmation codes are signed
    with, `certificate` the public half (PEM) of what it shows to the VPN server. One that was uploaded has neither.
    It is bound to the PC that was activated with it until that PC is stopped or replaced.
    """

    uid = CharField(unique=True, default=new_uid)
    device = ForeignKeyField(Device, backref="installers")
    stored = ForeignKeyField(StoredObject)
    scan: Any = JSONTextField(null=True)  # as in Document
    uploaded_by = ForeignKeyField(Membership, null=True)  # or who had it built
    uploaded_at = MomentField(default=utc_now)
    fetched_at = MomentField(null=True)
    withdrawn_at = MomentField(null=True)
    key_sealed = TextField(null=True)
    certificate = TextField(null=True)
    machine_id = CharField(null=True)  # what Windows calls itself, lower case
    computer_name = CharField(default="", constraints=[SQL("DEFAULT ''")])
    bound_at = MomentField(null=True)
    unbound_at = MomentField(null=True)

    @property
    def is_built(self) -> bool:
        return self.certificate is not None

    @classmethod
    def by_uid(cls, uid: str) -> "Installer | None":
        return cls.get_or_none(cls.uid == uid)

    @classmethod
    def bound(cls) -> Any:
        """Those that are in force on a PC, with their slots and offices."""
        return (
            cls.select(cls, Device, Office)
            .join(Device)
            .join(Office)
            .where(cls.bound_at.is_null(False), cls.unbound_at.is_null())
        )


_IS_BOUND = Installer.bound_at.is_null(False) & Installer.unbound_at.is_null()
Installer.add_index(
    Installer.index(Installer.device, unique=True, name="installer_current").where(Installer.withdrawn_at.is_null())
)
Installer.add_index(Installer.index(Installer.device, unique=True, name="installer_bound").where(_IS_BOUND))
Installer.add_index(Installer.index(Installer.machine_id, unique=True, name="installer_machine").where(_IS_BOUND))


class InstallerOrder(Record):
    """An installer that the server shall build for a slot. The newest one tells how it went."""

    device = ForeignKeyField(Device, backref="installer_orders", on_delete="CASCADE")
    state = CharField(default="waiting", constraints=[SQL(f"CHECK (state IN {BUILD_STATES})")])
    ordered_by = ForeignKeyField(Membership, null=True)
    ordered_at = MomentField(default=utc_now)

    @classmethod
    def of(cls, office: Office) -> Any:
        """Those of its slots, oldest first, each with its slot."""
        return cls.select(cls, Device).join(Device).where(Device.office == office).order_by(cls.id)


InstallerOrder.add_index(
    InstallerOrder.index(InstallerOrder.device, unique=True, name="installer_order_waiting").where(
        SQL("state = 'waiting'")
    )
)


class ActivationRequest(Record):
    """A 確認コード that an office has sent: one PC asks to be activated.

    waiting -> settling (accepted; the VPN server is still to do its part) -> activated; or returned with a reason; or
    void, when a newer one took its place or its device was stopped.
    """

    OPEN = ("waiting", "settling")  # something is still to be done about it

    uid = CharField(unique=True, default=new_uid)
    receipt_number = CharField(unique=True)
    device = ForeignKeyField(Device, backref="requests")
    installer = ForeignKeyField(Installer, backref="requests")
    state = CharField(default="waiting", constraints=[SQL(f"CHECK (state IN {ACTIVATION_STATES})")])
    code = CharField()  # the six characters in the file's name
    machine_id = CharField()
    computer_name = CharField(default="")
    adapter = CharField(default="")  # hardware address, to be told by, not to be bound to
    volume = CharField(default="")
    notes: Any = JSONTextField(default=list)  # codes of what the checks found worth a look
    is_automatic = BooleanField(default=False)  # accepted without the desk
    address = CharField()
    requested_at = MomentField(default=utc_now)
    decided_at = MomentField(null=True)
    decided_by = ForeignKeyField(Membership, null=True)
    activated_at = MomentField(null=True)
    reason = TextField(default="")

    class Meta:
        indexes = ((("state", "requested_at"), False),)

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN

    @classmethod
    def by_uid(cls, uid: str) -> "ActivationRequest | None":
        return cls.get_or_none(cls.uid == uid)

    @classmethod
    def open_of(cls, device: Device) -> "ActivationRequest | None":
        return cls.get_or_none(cls.device == device, cls.state << cls.OPEN)

    def timeline(self) -> Any:
        """Audit entries about it, oldest first."""
        return AuditEntry.about(self.uid)


ActivationRequest.add_index(
    ActivationRequest.index(ActivationRequest.device, unique=True, name="activation_open").where(
        SQL("state IN ('waiting', 'settling')")
    )
)


class VpnOrder(Record):
    """What the VPN server shall do for one device: `is_on`, let it in with its installer's certificate, or shut it out
    and end its tunnel. The newest one counts.
    """

    uid = CharField(unique=True, default=new_uid)
    device = ForeignKeyField(Device, backref="orders")
    installer = ForeignKeyField(Installer, null=True)  # whose certificate, where it is to be let in
    is_on = BooleanField()
    state = CharField(default="waiting", constraints=[SQL(f"CHECK (state IN {ORDER_STATES})")])
    asked_at = MomentField(default=utc_now)
    done_at = MomentField(null=True)
    done_by = ForeignKeyField(Membership, null=True)  # None: the worker, through the VPN server's interface
    failed_at = MomentField(null=True)  # the last time the server did not answer

    @classmethod
    def by_uid(cls, uid: str) -> "VpnOrder | None":
        return cls.get_or_none(cls.uid == uid)


VpnOrder.add_index(
    VpnOrder.index(VpnOrder.device, unique=True, name="vpn_order_waiting").where(SQL("state = 'waiting'"))
)


class Handover(Record):
    """引継ぎ: an office's 管理者 gives way to another person of the office.

    A planned one, asked for by the 管理者, is done when the successor's PC is activated in slot 1; an emergency one,
    asked for by the fund, when a second of the fund's people approves.
    """

    uid = CharField(unique=True, default=new_uid)
    office = ForeignKeyField(Office, backref="handovers")
    kind = CharField(constraints=[SQL(f"CHECK (kind IN {HANDOVER_KINDS})")])
    state = CharField(default="open", constraints=[SQL(f"CHECK (state IN {HANDOVER_STATES})")])
    predecessor = ForeignKeyField(Membership)
    successor = ForeignKeyField(Membership)
    is_newcomer = BooleanField(default=False)  # the successor's place was made for it
    reason = TextField(default="")
    asked_by = ForeignKeyField(Membership)
    asked_at = MomentField(default=utc_now)
    approved_by = ForeignKeyField(Membership, null=True)
    ended_at = MomentField(null=True)
    letters = ForeignKeyField(LetterBatch, null=True)

    @property
    def is_planned(self) -> bool:
        return self.kind == "planned"

    @classmethod
    def by_uid(cls, uid: str) -> "Handover | None":
        return cls.get_or_none(cls.uid == uid)

    @classmethod
    def open_at(cls, office: Office) -> "Handover | None":
        return cls.get_or_none(cls.office == office, cls.state == "open")

    @classmethod
    def open_for(cls, successor: Membership) -> "Handover | None":
        return cls.get_or_none(cls.successor == successor, cls.state == "open")

    @classmethod
    def newcomers(cls) -> Any:
        """Ids of the places that were made for a handover which is still open."""
        return cls.select(cls.successor).where(cls.state == "open", cls.is_newcomer)

    @classmethod
    def without_letter(cls) -> Any:
        """Ids of the offices whose 管理者 took over with a sheet in hand, and waits for no letter: none was ordered
        since.
        """
        ordered = Letter.select().join(LetterBatch)
        ordered = ordered.where(Letter.office == cls.office, LetterBatch.made_at >= cls.ended_at)
        is_admin = (Membership.kind == "office_admin") & Membership.ended_at.is_null()
        found = cls.select(cls.office).join(Membership, on=(cls.successor == Membership.id))
        return found.where(cls.kind == "planned", cls.state == "done", is_admin, ~fn.EXISTS(ordered))

    def timeline(self) -> Any:
        """Audit entries about it, oldest first."""
        return AuditEntry.about(self.uid)


Handover.add_index(Handover.index(Handover.office, unique=True, name="handover_open").where(SQL("state = 'open'")))

ALL: list[type[Record]] = Record.__subclasses__()  # of models.py, papers.py and this file, in their order
