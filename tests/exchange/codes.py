"""Confirmation codes as a PC's own tool writes them, and installers of which the tests know the key."""

import hmac
import io
import os
import uuid
from dataclasses import dataclass, field
from typing import Any

from database import utc_now
from equipment import Installer
from exchange import sealing, vault
from models import Device, Office

# Stands for the public half of what an installer shows to the VPN server; tests of certificates make real ones.
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


@dataclass
class Pc:
    """A PC with Windows, as its confirmation code describes it."""

    machine: str = field(default_factory=lambda: str(uuid.uuid4()))
    computer: str = "SOUMU-PC01"
    adapter: str = "00-15-5D-01-02-03"
    volume: str = "1A2B3C4D"


@dataclass
class Built:
    """An installer that the server built, whose key the test knows."""

    installer: Installer
    key: bytes


def built(office: Office, slot: int, state: str = "downloaded") -> Built:
    """An installer lies in that slot, in place of any other, as if it had been built and fetched."""
    device, at = Device.in_slot(office, slot), utc_now()
    Installer.update(withdrawn_at=at).where(Installer.device == device, Installer.withdrawn_at.is_null()).execute()
    stored = vault.receive(io.BytesIO(b"MZ" + os.urandom(40))).keep()
    installer = Installer.create(
        device=device, stored=stored, uploaded_at=at, fetched_at=at, key_sealed="", certificate=CERTIFICATE
    )
    key = os.urandom(32)
    installer.key_sealed = sealing.seal(key, f"installer/{installer.uid}")
    installer.save()
    Device.update(state=state).where(Device.id == device.id).execute()
    return Built(installer, key)


def code(built: Built, pc: Pc | None = None, encoding: str = "utf-16", **changed: Any) -> bytes:
    """The file that インストール確認 leaves on the desktop; `changed`: fields before they are signed."""
    pc, device = pc or Pc(), Device.get_by_id(built.installer.device_id)
    fields = {
        "mark": "TODOKE1",
        "contract": device.office.contract_number,
        "slot": device.label,
        "installer": built.installer.uid,
        "code": f"{device.label}A3F9",
        "machine": pc.machine,
        "computer": pc.computer,
        "adapter": pc.adapter,
        "volume": pc.volume,
        **changed,
    }
    line = "|".join(fields.values())
    signature = hmac.digest(built.key, line.encode("utf-16-le"), "sha256").hex().upper()
    return as_file(f"{line}|{signature}\r\n", encoding)


def as_file(text: str, encoding: str = "utf-16") -> bytes:
    """`utf-16`: little-endian with its mark, as the tool writes it."""
    return b"\xff\xfe" + text.encode("utf-16-le") if encoding == "utf-16" else text.encode(encoding)
