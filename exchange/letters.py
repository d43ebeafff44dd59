"""管理者情報登録完了のお知らせ: its secrets are made here, kept only as hashes, and returned once."""

from dataclasses import dataclass

from database import db
from exchange import audit, credentials, normalise, permissions, settings
from exchange.actors import Actor
from exchange.errors import Refused
from models import Membership, Office, User


@dataclass(frozen=True)
class Secrets:
    """What the letter tells and nothing else keeps."""

    download_key: str
    initial_password: str


def admin_of(office: Office) -> Membership:
    return office.members().where(Membership.kind == "office_admin").get()


def issue_secrets(actor: Actor, office: Office) -> Secrets:
    """A new download key and initial password; the old ones are void from now on.

    Refused once the admin has his own password.
    """
    permissions.require(actor, "register")
    admin = admin_of(office)
    if not admin.user.is_initial_password:
        raise Refused("管理者はすでにログインパスワードを登録しています。")
    secrets = Secrets(
        credentials.random_secret(credentials.DOWNLOAD_KEY_LENGTH),
        credentials.random_secret(credentials.INITIAL_PASSWORD_LENGTH),
    )
    key_hash = credentials.hash_secret(secrets.download_key)
    password_hash = credentials.hash_secret(secrets.initial_password)
    with db.atomic():
        Office.update(download_key_hash=key_hash, secrets_issued_at=actor.at).where(Office.id == office.id).execute()
        changed = User.update(password_hash=password_hash, password_set_at=actor.at).where(
            User.id == admin.user_id, User.is_initial_password
        )
        if changed.execute() != 1:
            raise Refused("管理者はすでにログインパスワードを登録しています。")
        audit.record(actor, "letter.issued", office.uid, office, contract_number=office.contract_number)
    return secrets


def as_text(office: Office, secrets: Secrets, base_url: str, today: str) -> str:
    """The letter as plain text, for the counter and for the demonstration. `today`: the date as it is to be printed."""
    admin = admin_of(office)
    facts = settings.every()
    return f"""{today}
{office.name} 御中
{facts["fund_name"]}

「{facts["service_name"]} 管理者情報登録完了」のお知らせ

■ 利用者詳細内容（お届けいただいた登録内容）
  記入日            {normalise.era(office.entered_on)}
  管理者氏名        {admin.user.name}（{admin.user.kana}）
  メールアドレス    {admin.user.mail}
  利用台数          {office.device_limit}台

■ 電子連携契約番号
  契約番号          {office.contract_number}

■ インストーラーダウンロードサイト
  URL               {base_url}/download/
  ダウンロードキー  {secrets.download_key}

■ ログイン詳細（管理者）
  ユーザーID        {admin.login_id}
  初期パスワード    {secrets.initial_password}
  ※ キーとパスワードに、英字の O・o・I・l と数字の 0・1 は使っていません。
  ※ 初期パスワードは発行から30日で使えなくなります。

■ ご利用開始までの流れ
  1. 端末のVPN接続の有効化が終わると、管理者あてにメールが届きます。
  2. {base_url}/onetime/ でワンタイムパスワードを受け取ります。
  3. {base_url}/auth/ で認証し、初期パスワードでログインします。
  4. 初回のみ、圧縮パスワードとご自身のログインパスワードを登録します。

お問い合わせ  {facts["fund_contact"] or facts["fund_name"]}
"""
