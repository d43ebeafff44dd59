"""Which PC a login comes from, where the VPN server can be asked: only one of the person's own offices' opens."""

import logging

from database import db
from exchange import audit, calendar, outbox, throttle, tunnels, vpn
from exchange.actors import Actor
from exchange.errors import Refused
from models import Device, Membership

OTHER_DEVICE = (
    "お使いの接続は、この利用者の事業所の有効な端末のVPN接続ではないため、ログインできません。"
    "有効化が終わったご自分の事業所の端末で「VPN接続を開始」を押してから、もう一度ログインしてください。"
    "この操作は事業所の管理者にお知らせします。続けてこの表示が出るときは、事業所の管理者または基金事務局へご連絡ください。"
)
UNREACHABLE = (
    "VPNサーバーに確認できないため、いまはログインできません。数分おいてから、もう一度「ログイン」を押してください。"
    "続けてこの表示が出るときは、基金事務局へご連絡ください。"
)
UNDER_WAY = ("issued", "downloaded", "requested")
NO_DEVICE = (
    "この事業所には、VPN接続が有効化された端末がまだありません。確認コードを送信していない方は、VPNソフトウェアを"
    "インストールして送信してください。有効化は確認コードの送信後1～2営業日で終わり、管理者あてにメールでお知らせします。"
    "メールが届いてから、ワンタイムパスワードの発行から始めてください。"
)
ALL_STOPPED = (
    "この事業所の端末は、すべて停止しています（最後：端末 {}、{}）。もう一度使うときは、事業所の管理者から"
    "基金事務局へご連絡ください。PCの入れ替えを受け付けます。"
)
ALL_REPLACED = (
    "この事業所には、いま有効な端末がありません（最後の停止：端末 {}、{}）。新しいPCにインストールして確認コードを"
    "送信し、有効化のメールが届いてから、ワンタイムパスワードの発行から始めてください。"
)

log = logging.getLogger("todoke.tunnels")


class NotFromHere(Refused):
    """The password was right, but this connection is not one of a PC that may serve the person."""

    status = 403


class Unknown(Refused):
    """The VPN server could not be asked: nobody comes in until it can."""

    status = 503


def device_for(actor: Actor, member: Membership) -> Device | None:
    """The PC that the actor's connection comes from; None where the VPN server can't be asked who is connected.

    NotFromHere unless it is an active one of an office where the person works, Unknown when the server doesn't answer.
    Asks it outside of any transaction.
    """
    if not vpn.provider().is_automatic:
        return None
    try:
        device = tunnels.device_at(actor.address)
    except vpn.Unreachable as error:
        log.warning("the VPN server did not say whose tunnel a login comes from: %s", error)
        _refuse(actor, member, "vpn unreachable")
        raise Unknown(UNREACHABLE) from error
    if device is None or not _serves(device, member):
        log.warning("a login came from %s", f"device {device.uid}" if device else "outside of every tunnel")
        _refuse(actor, member, "other device", vpn.user_name(device) if device else "")
        raise NotFromHere(OTHER_DEVICE)
    return device


def why_no_device(member: Membership) -> str:
    """Of an office where none is active: none ever was, all are stopped, or another PC is on its way into a slot."""
    here = Device.office == member.office
    last = Device.select().where(here, Device.stopped_at.is_null(False)).order_by(Device.stopped_at.desc()).first()
    if last is None:
        return NO_DEVICE
    is_again = (Device.state == "vacant") & Device.stopped_at.is_null(False)  # whose installer is being made
    is_under_way = Device.select().where(here, is_again | (Device.state << UNDER_WAY)).exists()
    day = calendar.day(last.stopped_at)
    return (ALL_REPLACED if is_under_way else ALL_STOPPED).format(last.label, f"{day.month}月{day.day}日")


def _serves(device: Device, member: Membership) -> bool:
    places = member.user.places()
    return device.state == "active" and device.office_id in {place.office_id for place in places}


def _refuse(actor: Actor, member: Membership, why: str, device: str = "") -> None:
    """The manager is told of another device once an hour; which one it is, or whose, is not his to know: the account
    stands in the audit for the fund's people, and trail.facts keeps it from him.
    """
    assert member.office is not None  # the fund's people come without a device
    is_told = why == "other device" and throttle.hit("refused_device", member.office.uid, actor.at)
    with db.atomic():
        audit.record(actor, "login.refused", member.user.uid, why=why, device=device)
        if is_told:
            outbox.login_refused_device(actor, member)
