"""What is looked at before a 確認コード is taken: is it one, whose is it, and may this PC have this device.

Each refusal says what is wrong and what to do next.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime

from peewee import fn

from equipment import ActivationRequest, Handover, Installer
from exchange import calendar, confirmation_code, sealing, settings, vpn
from exchange.confirmation_code import Confirmation, Malformed
from exchange.errors import Refused
from models import AuditEntry, Device, Office

# Worth a look by the desk before the PC is let in.
NOTES = {
    "other_pc": "これまでと違うPCです（PCの入れ替え）",
    "second_pc": "同じインストーラーの確認コードが、前に別のPCから届いています",
    "waiting_elsewhere": "同じPCの確認コードが、ほかの端末の分としても届いています",
    "not_fetched": "このインストーラーは、ダウンロードの窓口からダウンロードされていません",
    "no_adapter": "ネットワークアダプターの番号が読み取れていません",
    "stopped": "停止していた端末です",
    "stopped_pc": "前に停止した端末で使われていたPCです（紛失・盗難の届けがなかったか確かめてください）",
    "handover": "管理者の引継ぎの手続き中です（有効化すると、管理者が後任の方に替わることがあります）",
}

AGAIN = "PCのスタートメニューで「インストール確認」をもう一度行い、新しくできた確認コードを送信してください。"
FORMS = {
    "empty": f"ファイルが空です。{AGAIN}",
    "size": f"ファイルが大きすぎます（確認コードは {confirmation_code.LARGEST:,} バイトまでです）。"
    "デスクトップの「確認コード(XXXXXX).txt」を選んでください。",
    "version": "確認コードのファイルではありません。デスクトップの「確認コード(XXXXXX).txt」を選んでください。"
    "見つからないときは、PCのスタートメニューで「インストール確認」を行うと作られます。",
}
FORM = "確認コードの{part}が正しい形ではありません。ファイルが書き換えられたか、途中で切れています。" + AGAIN
PARTS = {
    "encoding": "文字コード",
    "fields": "項目の数",
    "contract": "契約番号",
    "slot": "端末番号",
    "installer": "インストーラーの番号",
    "code": "6文字のコード",
    "machine": "PCの識別番号",
    "computer": "コンピューター名",
    "adapter": "ネットワークアダプターの番号",
    "volume": "ディスクの番号",
    "signature": "署名",
    "end": "末尾",
}
CONTRACT = (
    "ほかの事業所の端末の確認コードです。この窓口で受け付けるのは、契約番号 {number} の端末の確認コードだけです。"
    "ファイルを選び直すか、その事業所の契約番号で窓口を開き直してください。"
)
OLD = (
    "古いインストーラーで作られた確認コードです。「ダウンロード」の窓口で端末 {label} の新しいインストーラーを"
    "ダウンロードしてインストールし直し、「インストール確認」をもう一度行ってください。"
)
UPLOADED = (
    "端末 {label} のインストーラーは、確認コードの送信では有効化できないものです。インストールが終わっていることを、"
    "基金事務局{contact}へご連絡ください。電子連携サービス事務局が、確認コードなしで有効化します。"
)
UPLOADED_AUTOMATIC = (
    "端末 {label} のインストーラーは、確認コードの送信では有効化できないものです。基金事務局{contact}へご連絡ください。"
    "電子連携サービス事務局が、新しいインストーラーを用意します。"
)
BEYOND_LIMIT = (
    "端末 {label} は、利用台数（{limit}台）に入っていません。ほかの端末の確認コードを送信するか、"
    "先に基金事務局へ利用台数の変更を届け出てください。"
)
SIGNATURE = "確認コードの内容が、作られたあとで変わっています。ファイルを編集せずに送信してください。" + AGAIN
USED = (
    "このインストーラーは、すでに端末の有効化に使われています。1つのインストーラーを使えるPCは1台です。"
    "PCを替えるときは、管理者の「端末」の画面で「PCの入れ替え」を行うか、電子連携サービス事務局へご連絡ください。"
)
UNDER_WAY = (
    "端末 {label} の確認コードは受け付け済みで、有効化の途中です。終わると、管理者へメールでお知らせします。"
    "そのままお待ちください。"
)
SAME_OFFICE = (
    "このPCは、すでに端末 {label} として登録されています。1台のPCを2つの端末として使うことはできません。"
    "端末 {wanted} として使うPCで、インストールと「インストール確認」を行ってください。"
)
OTHER_OFFICE = (
    "このPCは、すでにほかの事業所の端末として登録されています。1台のPCに登録できる端末は1つだけです。"
    "別のPCにインストールするか、電子連携サービス事務局へご連絡ください。"
)


class Rejected(Refused):
    """A confirmation code that isn't taken. `why`: form, contract, installer, signature, used or machine; `subject`:
    uid of the device, as far as it is known, or of the office.
    """

    def __init__(self, why: str, message: str, subject: str) -> None:
        super().__init__(message)
        self.why, self.subject = why, subject


@dataclass(frozen=True)
class Found:
    """A good confirmation code, what it is about, and which notes it gets."""

    confirmation: Confirmation
    device: Device
    installer: Installer
    notes: list[str]


def look_at(office: Office, data: bytes) -> Found:
    """All checks, in their order; Rejected by the first that fails. Called inside a transaction."""
    try:
        confirmation = confirmation_code.read(data)
    except Malformed as malformed:
        said = FORMS.get(malformed.reason) or FORM.format(part=PARTS[malformed.reason])
        raise Rejected("form", said, office.uid) from malformed
    if confirmation.contract != office.contract_number:
        raise Rejected("contract", CONTRACT.format(number=office.contract_number), office.uid)
    device, installer, key = _known(office, confirmation)
    if not confirmation_code.is_signed(confirmation, key):
        raise Rejected("signature", SIGNATURE, device.uid)
    _require_unused(device, installer)
    sentence = taken(device, confirmation.machine)
    if sentence is not None:
        raise Rejected("machine", sentence, device.uid)
    if device.slot > office.device_limit:
        raise Rejected("installer", BEYOND_LIMIT.format(label=device.label, limit=office.device_limit), device.uid)
    return Found(confirmation, device, installer, _notes(device, installer, confirmation))


def taken(device: Device, machine: str, is_with_accepted: bool = False) -> str | None:
    """Why this PC can't be that of the device, in words: it is another one's already, or (if that counts) is about to
    be. None if it can.
    """
    other = Installer.bound().where(Installer.machine_id == machine, Installer.device != device).first()
    holder = other.device if other is not None else None
    if holder is None and is_with_accepted:
        accepted = (ActivationRequest.state == "settling") & (ActivationRequest.machine_id == machine)
        first = ActivationRequest.get_or_none(accepted, ActivationRequest.device != device)
        holder = first and first.device
    if holder is None:
        return None
    if holder.office_id != device.office_id:
        return OTHER_OFFICE
    return SAME_OFFICE.format(label=holder.label, wanted=device.label)


def new_receipt_number(at: datetime) -> str:
    """受付番号: the day in Japan and random digits; inside the transaction that writes it nobody takes the same."""
    while True:
        number = f"V{calendar.day(at):%Y%m%d}-{secrets.randbelow(10**7):07d}"
        if not ActivationRequest.select().where(ActivationRequest.receipt_number == number).exists():
            return number


def _known(office: Office, confirmation: Confirmation) -> tuple[Device, Installer, bytes]:
    """The office's installer that the code names, and its key. One that was bound is told apart further on."""
    device = Device.in_slot(office, confirmation.slot)
    if device is None:
        raise Rejected("installer", OLD.format(label=f"{confirmation.slot:02d}"), office.uid)
    installer = Installer.get_or_none(Installer.uid == confirmation.installer, Installer.device == device)
    lying_there = Installer.get_or_none(Installer.device == device, Installer.withdrawn_at.is_null())
    is_bound = installer is not None and installer.bound_at is not None
    if lying_there is not None and not lying_there.is_built and not is_bound:
        raise Rejected("installer", _uploaded(device), device.uid)
    if installer is None or installer.key_sealed is None or not (is_bound or installer == lying_there):
        raise Rejected("installer", OLD.format(label=device.label), device.uid)
    return device, installer, key_of(installer)


def _uploaded(device: Device) -> str:
    """What the office does about an installer that was made elsewhere."""
    contact = settings.get("fund_contact")
    sentence = UPLOADED_AUTOMATIC if vpn.provider().is_automatic else UPLOADED
    return sentence.format(label=device.label, contact=f"（{contact}）" if contact else "")


def key_of(installer: Installer) -> bytes:
    """What the installer signs its confirmation codes with."""
    return sealing.unseal(installer.key_sealed, f"installer/{installer.uid}")


def _require_unused(device: Device, installer: Installer) -> None:
    accepted = ActivationRequest.state << ("settling", "activated")
    if installer.bound_at is not None:
        raise Rejected("used", USED, device.uid)
    for one in ActivationRequest.select().where(ActivationRequest.device == device, accepted):
        if one.state == "settling":
            raise Rejected("used", UNDER_WAY.format(label=device.label), device.uid)
        if one.installer_id == installer.id:
            raise Rejected("used", USED, device.uid)


def _notes(device: Device, installer: Installer, confirmation: Confirmation) -> list[str]:
    machine, earlier = confirmation.machine, ActivationRequest.select()
    bound = Installer.select().where(Installer.device == device, Installer.bound_at.is_null(False))
    last = bound.order_by(Installer.bound_at.desc()).first()
    second = earlier.where(ActivationRequest.installer == installer, ActivationRequest.machine_id != machine)
    elsewhere = earlier.where(
        ActivationRequest.device != device,
        ActivationRequest.machine_id == machine,
        ActivationRequest.state << ActivationRequest.OPEN,
    )
    found = {
        "other_pc": last.machine_id != machine if last is not None else device.state == "active",
        "second_pc": second.exists(),
        "waiting_elsewhere": elsewhere.exists(),
        "not_fetched": installer.fetched_at is None,
        "no_adapter": not confirmation.adapter,
        "stopped": device.state == "stopped",
        "stopped_pc": _was_stopped(machine),
        "handover": device.slot == 1 and Handover.open_at(device.office) is not None,
    }
    return [note for note in NOTES if found[note]]


def _was_stopped(machine: str) -> bool:
    """Whether the PC was in a slot, of whichever office, when that was stopped: it may be a stolen one."""
    stopped = AuditEntry.select().where(
        AuditEntry.action == "device.stopped",
        AuditEntry.subject == Device.uid,
        AuditEntry.at == Installer.unbound_at,
    )
    was_bound = Installer.select().join(Device).where(Installer.machine_id == machine)
    return was_bound.where(fn.EXISTS(stopped)).exists()
