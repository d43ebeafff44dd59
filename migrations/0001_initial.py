"""The first schema, as SQL that no later change of models.py can alter, and the document kinds every fund starts with."""

TABLES = """
CREATE TABLE "setting" (
  "key" VARCHAR(255) NOT NULL PRIMARY KEY,
  "value" TEXT NOT NULL
);
CREATE TABLE "user" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "uid" VARCHAR(255) NOT NULL,
  "name" VARCHAR(255) NOT NULL,
  "kana" VARCHAR(255) NOT NULL,
  "mail" VARCHAR(255) NOT NULL,
  "pending_mail" VARCHAR(255),
  "password_hash" VARCHAR(255),
  "password_set_at" DATETIME,
  "is_initial_password" INTEGER NOT NULL,
  "totp_sealed" TEXT,
  "totp_step" INTEGER NOT NULL,
  "disabled_at" DATETIME,
  "created_at" DATETIME NOT NULL
);
CREATE UNIQUE INDEX "user_uid" ON "user" ("uid");
CREATE TABLE "office" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "uid" VARCHAR(255) NOT NULL,
  "contract_number" VARCHAR(255) NOT NULL,
  "office_number" VARCHAR(255) NOT NULL,
  "name" VARCHAR(255) NOT NULL,
  "name_filed" VARCHAR(255) NOT NULL,
  "short_name" VARCHAR(255) NOT NULL,
  "device_limit" INTEGER NOT NULL,
  "entered_on" DATE NOT NULL,
  "download_key_hash" VARCHAR(255),
  "secrets_issued_at" DATETIME,
  "forbids_self_approval" INTEGER NOT NULL,
  "registered_at" DATETIME NOT NULL,
  "closed_at" DATETIME
);
CREATE UNIQUE INDEX "office_contract_number" ON "office" ("contract_number");
CREATE UNIQUE INDEX "office_office_number" ON "office" ("office_number");
CREATE UNIQUE INDEX "office_uid" ON "office" ("uid");
CREATE TABLE "membership" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "uid" VARCHAR(255) NOT NULL,
  "user_id" INTEGER NOT NULL,
  "office_id" INTEGER,
  "login_id" VARCHAR(255) NOT NULL,
  "kind" VARCHAR(255) NOT NULL,
  "created_at" DATETIME NOT NULL,
  "ready_at" DATETIME,
  "ended_at" DATETIME,
  FOREIGN KEY ("user_id") REFERENCES "user" ("id"),
  FOREIGN KEY ("office_id") REFERENCES "office" ("id"),
  CHECK (kind IN ('office_admin', 'staff', 'consultant', 'fund', 'desk')),
  CHECK ((office_id IS NULL) = (kind IN ('fund', 'desk')))
);
CREATE INDEX "membership_office_id" ON "membership" ("office_id");
CREATE UNIQUE INDEX "membership_office_login_id" ON "membership" ("office_id", "login_id") WHERE ("ended_at" IS NULL);
CREATE UNIQUE INDEX "membership_one_admin" ON "membership" ("office_id") WHERE (("kind" = 'office_admin') AND ("ended_at" IS NULL));
CREATE UNIQUE INDEX "membership_staff_login_id" ON "membership" ("login_id") WHERE (("office_id" IS NULL) AND ("ended_at" IS NULL));
CREATE UNIQUE INDEX "membership_uid" ON "membership" ("uid");
CREATE INDEX "membership_user_id" ON "membership" ("user_id");
CREATE TABLE "grant" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "membership_id" INTEGER NOT NULL,
  "word" VARCHAR(255) NOT NULL,
  FOREIGN KEY ("membership_id") REFERENCES "membership" ("id")
);
CREATE UNIQUE INDEX "grant_membership_id_word" ON "grant" ("membership_id", "word");
CREATE TABLE "device" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "uid" VARCHAR(255) NOT NULL,
  "office_id" INTEGER NOT NULL,
  "slot" INTEGER NOT NULL,
  "state" VARCHAR(255) NOT NULL CHECK (state IN ('vacant', 'issued', 'downloaded', 'requested', 'active', 'stopped')),
  "activated_at" DATETIME,
  "stopped_at" DATETIME,
  FOREIGN KEY ("office_id") REFERENCES "office" ("id")
);
CREATE UNIQUE INDEX "device_office_id_slot" ON "device" ("office_id", "slot");
CREATE UNIQUE INDEX "device_uid" ON "device" ("uid");
CREATE TABLE "archive_password" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "office_id" INTEGER NOT NULL,
  "version" INTEGER NOT NULL,
  "sealed" TEXT NOT NULL,
  "set_by_id" INTEGER,
  "set_at" DATETIME NOT NULL,
  FOREIGN KEY ("office_id") REFERENCES "office" ("id"),
  FOREIGN KEY ("set_by_id") REFERENCES "membership" ("id")
);
CREATE UNIQUE INDEX "archive_password_office_id_version" ON "archive_password" ("office_id", "version");
CREATE INDEX "archive_password_set_by_id" ON "archive_password" ("set_by_id");
CREATE TABLE "login_session" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "token_hash" VARCHAR(255) NOT NULL,
  "membership_id" INTEGER NOT NULL,
  "device_id" INTEGER,
  "stage" VARCHAR(255) NOT NULL CHECK (stage IN ('code', 'in')),
  "address" VARCHAR(255) NOT NULL,
  "started_at" DATETIME NOT NULL,
  "seen_at" DATETIME NOT NULL,
  "ended_at" DATETIME,
  "ended_because" VARCHAR(255),
  FOREIGN KEY ("membership_id") REFERENCES "membership" ("id"),
  FOREIGN KEY ("device_id") REFERENCES "device" ("id")
);
CREATE INDEX "login_session_device_id" ON "login_session" ("device_id");
CREATE INDEX "login_session_membership_id" ON "login_session" ("membership_id");
CREATE UNIQUE INDEX "login_session_token_hash" ON "login_session" ("token_hash");
CREATE TABLE "one_time_password" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "number" VARCHAR(255) NOT NULL,
  "membership_id" INTEGER,
  "purpose" VARCHAR(255) NOT NULL,
  "seed_sealed" TEXT NOT NULL,
  "counter" INTEGER NOT NULL,
  "browser_hash" VARCHAR(255) NOT NULL,
  "tries_own" INTEGER NOT NULL,
  "tries_other" INTEGER NOT NULL,
  "issued_at" DATETIME NOT NULL,
  "expires_at" DATETIME NOT NULL,
  FOREIGN KEY ("membership_id") REFERENCES "membership" ("id")
);
CREATE INDEX "one_time_password_membership_id" ON "one_time_password" ("membership_id");
CREATE INDEX "one_time_password_membership_id_purpose_counter" ON "one_time_password" ("membership_id", "purpose", "counter");
CREATE UNIQUE INDEX "one_time_password_number" ON "one_time_password" ("number");
CREATE TABLE "throttle" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "kind" VARCHAR(255) NOT NULL,
  "key_hash" VARCHAR(255) NOT NULL,
  "started_at" DATETIME NOT NULL,
  "count" INTEGER NOT NULL
);
CREATE UNIQUE INDEX "throttle_kind_key_hash" ON "throttle" ("kind", "key_hash");
CREATE TABLE "document_kind" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "code" VARCHAR(255) NOT NULL,
  "direction" VARCHAR(255) NOT NULL,
  "name" VARCHAR(255) NOT NULL,
  "position" INTEGER NOT NULL,
  "retired_at" DATETIME
);
CREATE UNIQUE INDEX "document_kind_code" ON "document_kind" ("code");
CREATE TABLE "stored_object" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "uid" VARCHAR(255) NOT NULL,
  "sealed_key" TEXT,
  "size" INTEGER NOT NULL,
  "sha256" VARCHAR(255) NOT NULL,
  "created_at" DATETIME NOT NULL,
  "erased_at" DATETIME
);
CREATE UNIQUE INDEX "stored_object_uid" ON "stored_object" ("uid");
CREATE TABLE "transfer" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "uid" VARCHAR(255) NOT NULL,
  "receipt_number" VARCHAR(255) NOT NULL,
  "direction" VARCHAR(255) NOT NULL CHECK (direction IN ('filing', 'statement')),
  "office_id" INTEGER NOT NULL,
  "kind_id" INTEGER NOT NULL,
  "period" VARCHAR(255) NOT NULL,
  "note" TEXT NOT NULL,
  "file_name" VARCHAR(255) NOT NULL,
  "size" INTEGER NOT NULL,
  "sha256" VARCHAR(255) NOT NULL,
  "stored_id" INTEGER NOT NULL,
  "archive_password_id" INTEGER NOT NULL,
  "state" VARCHAR(255) NOT NULL CHECK (state IN ('uploaded', 'approved', 'delivered', 'received', 'completed', 'rejected', 'returned', 'cancelled', 'requested', 'expired')),
  "reason" TEXT NOT NULL,
  "uploaded_by_id" INTEGER NOT NULL,
  "uploaded_at" DATETIME NOT NULL,
  "delivered_by_id" INTEGER,
  "delivered_at" DATETIME,
  "requested_at" DATETIME,
  "replaces_id" INTEGER,
  "batch" VARCHAR(255),
  "token" VARCHAR(255) NOT NULL,
  FOREIGN KEY ("office_id") REFERENCES "office" ("id"),
  FOREIGN KEY ("kind_id") REFERENCES "document_kind" ("id"),
  FOREIGN KEY ("stored_id") REFERENCES "stored_object" ("id"),
  FOREIGN KEY ("archive_password_id") REFERENCES "archive_password" ("id"),
  FOREIGN KEY ("uploaded_by_id") REFERENCES "membership" ("id"),
  FOREIGN KEY ("delivered_by_id") REFERENCES "membership" ("id"),
  FOREIGN KEY ("replaces_id") REFERENCES "transfer" ("id")
);
CREATE INDEX "transfer_archive_password_id" ON "transfer" ("archive_password_id");
CREATE INDEX "transfer_delivered_by_id" ON "transfer" ("delivered_by_id");
CREATE INDEX "transfer_direction_delivered_at" ON "transfer" ("direction", "delivered_at");
CREATE INDEX "transfer_direction_state" ON "transfer" ("direction", "state");
CREATE INDEX "transfer_kind_id" ON "transfer" ("kind_id");
CREATE INDEX "transfer_office_id_direction_delivered_at" ON "transfer" ("office_id", "direction", "delivered_at");
CREATE INDEX "transfer_office_id_direction_state" ON "transfer" ("office_id", "direction", "state");
CREATE UNIQUE INDEX "transfer_receipt_number" ON "transfer" ("receipt_number");
CREATE INDEX "transfer_replaces_id" ON "transfer" ("replaces_id");
CREATE INDEX "transfer_requested" ON "transfer" ("requested_at") WHERE ("state" = 'requested');
CREATE INDEX "transfer_stored_id" ON "transfer" ("stored_id");
CREATE UNIQUE INDEX "transfer_token" ON "transfer" ("token");
CREATE UNIQUE INDEX "transfer_uid" ON "transfer" ("uid");
CREATE INDEX "transfer_uploaded_by_id" ON "transfer" ("uploaded_by_id");
CREATE TABLE "inspection" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "transfer_id" INTEGER NOT NULL,
  "state" VARCHAR(255) NOT NULL CHECK (state IN ('waiting', 'running', 'passed', 'warned', 'failed', 'quarantined')),
  "findings" TEXT NOT NULL,
  "entries" TEXT NOT NULL,
  "finished_at" DATETIME,
  FOREIGN KEY ("transfer_id") REFERENCES "transfer" ("id")
);
CREATE UNIQUE INDEX "inspection_transfer_id" ON "inspection" ("transfer_id");
CREATE TABLE "job" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "kind" VARCHAR(255) NOT NULL,
  "subject" VARCHAR(255) NOT NULL,
  "state" VARCHAR(255) NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed')),
  "done" INTEGER NOT NULL,
  "total" INTEGER NOT NULL,
  "tries" INTEGER NOT NULL,
  "due_at" DATETIME NOT NULL,
  "leased_until" DATETIME,
  "lease" VARCHAR(255),
  "error" VARCHAR(255) NOT NULL,
  "created_at" DATETIME NOT NULL
);
CREATE INDEX "job_kind_subject" ON "job" ("kind", "subject");
CREATE INDEX "job_state_due_at" ON "job" ("state", "due_at");
CREATE TABLE "mail" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "uid" VARCHAR(255) NOT NULL,
  "kind" VARCHAR(255) NOT NULL,
  "to_user_id" INTEGER,
  "to_address" VARCHAR(255),
  "transfer_id" INTEGER,
  "code_id" INTEGER,
  "facts" TEXT NOT NULL,
  "state" VARCHAR(255) NOT NULL CHECK (state IN ('waiting', 'sent', 'dropped', 'dead')),
  "tries" INTEGER NOT NULL,
  "due_at" DATETIME NOT NULL,
  "leased_until" DATETIME,
  "expires_at" DATETIME,
  "created_at" DATETIME NOT NULL,
  "sent_at" DATETIME,
  "error" VARCHAR(255) NOT NULL,
  FOREIGN KEY ("to_user_id") REFERENCES "user" ("id"),
  FOREIGN KEY ("transfer_id") REFERENCES "transfer" ("id"),
  FOREIGN KEY ("code_id") REFERENCES "one_time_password" ("id") ON DELETE SET NULL
);
CREATE INDEX "mail_code_id" ON "mail" ("code_id");
CREATE INDEX "mail_state_due_at" ON "mail" ("state", "due_at");
CREATE INDEX "mail_to_user_id" ON "mail" ("to_user_id");
CREATE INDEX "mail_transfer_id" ON "mail" ("transfer_id");
CREATE UNIQUE INDEX "mail_uid" ON "mail" ("uid");
CREATE TABLE "audit_entry" (
  "number" INTEGER NOT NULL PRIMARY KEY,
  "at" DATETIME NOT NULL,
  "action" VARCHAR(255) NOT NULL,
  "subject" VARCHAR(255) NOT NULL,
  "office_id" INTEGER,
  "membership_id" INTEGER,
  "who" VARCHAR(255) NOT NULL,
  "device_id" INTEGER,
  "address" VARCHAR(255) NOT NULL,
  "facts" TEXT NOT NULL,
  "hash" VARCHAR(255) NOT NULL,
  FOREIGN KEY ("office_id") REFERENCES "office" ("id"),
  FOREIGN KEY ("membership_id") REFERENCES "membership" ("id"),
  FOREIGN KEY ("device_id") REFERENCES "device" ("id")
);
CREATE INDEX "audit_entry_action" ON "audit_entry" ("action");
CREATE INDEX "audit_entry_device_id" ON "audit_entry" ("device_id");
CREATE INDEX "audit_entry_membership_id" ON "audit_entry" ("membership_id");
CREATE INDEX "audit_entry_office_id" ON "audit_entry" ("office_id");
CREATE INDEX "audit_entry_subject" ON "audit_entry" ("subject");
"""

KINDS = (
    ("filing", "acquisition", "資格取得届"),
    ("filing", "loss", "資格喪失届"),
    ("filing", "change", "加入者諸変更（訂正）届"),
    ("filing", "base_pay", "基準給与変更届"),
    ("filing", "yearly_pay", "年次給与改定"),
    ("filing", "name_change", "氏名変更届"),
    ("filing", "pension_number", "基礎年金番号登録届"),
    ("filing", "standard_summary", "算定基礎届総括表"),
    ("filing", "data_summary", "適用データ届出総括表"),
    ("filing", "decision_copy", "日本年金機構の決定通知書（写し）"),
    ("filing", "other_filing", "その他の届書"),
    ("statement", "decision", "決定通知書"),
    ("statement", "contribution", "掛金計算書（増減計算書）"),
    ("statement", "payment", "納入告知書・掛金納付書"),
    ("statement", "movement", "加入者異動記録明細表"),
    ("statement", "process_list", "適用届プロセスリスト"),
    ("statement", "receipt", "領収証書"),
    ("statement", "filing_copy", "届書控"),
    ("statement", "reaching_65", "65歳到達予定者通知"),
    ("statement", "members", "加入者一覧データ"),
    ("statement", "calculation", "要支給額・年金・一時金計算結果"),
    ("statement", "other_statement", "その他の帳票"),
)


def up(migrator, db):
    for statement in TABLES.split(";\n"):
        if statement.strip():
            db.execute_sql(statement)
    insert = "INSERT INTO document_kind (direction, code, name, position) VALUES (?, ?, ?, ?)"
    for position, kind in enumerate(KINDS, 1):
        db.execute_sql(insert, (*kind, position))
