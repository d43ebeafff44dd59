"""Onboarding: registrations in the fund's hands, letters, documents and installers to fetch, counters without login."""

STATEMENTS = """
ALTER TABLE "office" ADD COLUMN "postal_code" VARCHAR(255) NOT NULL DEFAULT '';
ALTER TABLE "office" ADD COLUMN "address" TEXT NOT NULL DEFAULT '';
CREATE TABLE "intake" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "uid" VARCHAR(255) NOT NULL,
  "file_name" VARCHAR(255) NOT NULL,
  "state" VARCHAR(255) NOT NULL CHECK (state IN ('open', 'registered', 'discarded')),
  "token" VARCHAR(255) NOT NULL,
  "received_by_id" INTEGER,
  "received_at" DATETIME NOT NULL,
  "decided_at" DATETIME,
  FOREIGN KEY ("received_by_id") REFERENCES "membership" ("id")
);
CREATE INDEX "intake_received_by_id" ON "intake" ("received_by_id");
CREATE UNIQUE INDEX "intake_token" ON "intake" ("token");
CREATE UNIQUE INDEX "intake_uid" ON "intake" ("uid");
CREATE TABLE "invitation" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "uid" VARCHAR(255) NOT NULL,
  "token_hash" VARCHAR(255) NOT NULL,
  "code_sealed" TEXT,
  "mail" VARCHAR(255) NOT NULL,
  "office_name" VARCHAR(255) NOT NULL,
  "invited_by_id" INTEGER,
  "invited_at" DATETIME NOT NULL,
  "expires_at" DATETIME NOT NULL,
  "opened_at" DATETIME,
  "filed_at" DATETIME,
  "withdrawn_at" DATETIME,
  "returned_id" INTEGER,
  "reason" TEXT NOT NULL,
  FOREIGN KEY ("invited_by_id") REFERENCES "membership" ("id"),
  FOREIGN KEY ("returned_id") REFERENCES "invitation" ("id")
);
CREATE INDEX "invitation_invited_by_id" ON "invitation" ("invited_by_id");
CREATE INDEX "invitation_returned_id" ON "invitation" ("returned_id");
CREATE UNIQUE INDEX "invitation_token_hash" ON "invitation" ("token_hash");
CREATE UNIQUE INDEX "invitation_uid" ON "invitation" ("uid");
CREATE TABLE "registration" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "uid" VARCHAR(255) NOT NULL,
  "intake_id" INTEGER,
  "line" INTEGER NOT NULL,
  "invitation_id" INTEGER,
  "receipt_number" VARCHAR(255),
  "cells" TEXT NOT NULL,
  "postal_code" VARCHAR(255) NOT NULL,
  "address" TEXT NOT NULL,
  "state" VARCHAR(255) NOT NULL CHECK (state IN ('open', 'registered', 'returned', 'discarded')),
  "office_id" INTEGER,
  "reason" TEXT NOT NULL,
  "received_at" DATETIME NOT NULL,
  "decided_at" DATETIME,
  "decided_by_id" INTEGER,
  FOREIGN KEY ("intake_id") REFERENCES "intake" ("id"),
  FOREIGN KEY ("invitation_id") REFERENCES "invitation" ("id"),
  FOREIGN KEY ("office_id") REFERENCES "office" ("id"),
  FOREIGN KEY ("decided_by_id") REFERENCES "membership" ("id")
);
CREATE INDEX "registration_decided_by_id" ON "registration" ("decided_by_id");
CREATE INDEX "registration_intake_id" ON "registration" ("intake_id");
CREATE INDEX "registration_invitation_id" ON "registration" ("invitation_id");
CREATE INDEX "registration_office_id" ON "registration" ("office_id");
CREATE UNIQUE INDEX "registration_receipt_number" ON "registration" ("receipt_number");
CREATE INDEX "registration_state_received_at" ON "registration" ("state", "received_at");
CREATE UNIQUE INDEX "registration_uid" ON "registration" ("uid");
CREATE TABLE "visit" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "token_hash" VARCHAR(255) NOT NULL,
  "purpose" VARCHAR(255) NOT NULL CHECK (purpose IN ('download', 'registration', 'activate')),
  "office_id" INTEGER,
  "invitation_id" INTEGER,
  "address" VARCHAR(255) NOT NULL,
  "started_at" DATETIME NOT NULL,
  "expires_at" DATETIME NOT NULL,
  "ended_at" DATETIME,
  FOREIGN KEY ("office_id") REFERENCES "office" ("id"),
  FOREIGN KEY ("invitation_id") REFERENCES "invitation" ("id")
);
CREATE INDEX "visit_invitation_id" ON "visit" ("invitation_id");
CREATE INDEX "visit_office_id" ON "visit" ("office_id");
CREATE UNIQUE INDEX "visit_token_hash" ON "visit" ("token_hash");
CREATE TABLE "letter_batch" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "uid" VARCHAR(255) NOT NULL,
  "token" VARCHAR(255),
  "state" VARCHAR(255) NOT NULL CHECK (state IN ('waiting', 'ready', 'printed', 'erased')),
  "stored_id" INTEGER,
  "made_by_id" INTEGER,
  "made_at" DATETIME NOT NULL,
  "ready_at" DATETIME,
  "expires_at" DATETIME,
  "downloaded_at" DATETIME,
  "ended_at" DATETIME,
  "ended_by_id" INTEGER,
  "dispatched_on" DATE,
  FOREIGN KEY ("stored_id") REFERENCES "stored_object" ("id"),
  FOREIGN KEY ("made_by_id") REFERENCES "membership" ("id"),
  FOREIGN KEY ("ended_by_id") REFERENCES "membership" ("id")
);
CREATE INDEX "letter_batch_ended_by_id" ON "letter_batch" ("ended_by_id");
CREATE INDEX "letter_batch_made_by_id" ON "letter_batch" ("made_by_id");
CREATE INDEX "letter_batch_stored_id" ON "letter_batch" ("stored_id");
CREATE UNIQUE INDEX "letter_batch_token" ON "letter_batch" ("token");
CREATE UNIQUE INDEX "letter_batch_uid" ON "letter_batch" ("uid");
CREATE TABLE "letter" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "uid" VARCHAR(255) NOT NULL,
  "batch_id" INTEGER NOT NULL,
  "office_id" INTEGER NOT NULL,
  "position" INTEGER NOT NULL,
  "is_reissue" INTEGER NOT NULL,
  "reason" TEXT NOT NULL,
  "stored_id" INTEGER,
  "issued_at" DATETIME,
  "voided_at" DATETIME,
  "is_failed" INTEGER NOT NULL,
  FOREIGN KEY ("batch_id") REFERENCES "letter_batch" ("id"),
  FOREIGN KEY ("office_id") REFERENCES "office" ("id"),
  FOREIGN KEY ("stored_id") REFERENCES "stored_object" ("id")
);
CREATE INDEX "letter_batch_id" ON "letter" ("batch_id");
CREATE INDEX "letter_office_id" ON "letter" ("office_id");
CREATE INDEX "letter_stored_id" ON "letter" ("stored_id");
CREATE UNIQUE INDEX "letter_uid" ON "letter" ("uid");
CREATE TABLE "document" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "uid" VARCHAR(255) NOT NULL,
  "series" VARCHAR(255) NOT NULL,
  "label" VARCHAR(255) NOT NULL,
  "edition_on" DATE NOT NULL,
  "file_name" VARCHAR(255) NOT NULL,
  "stored_id" INTEGER NOT NULL,
  "is_for_all" INTEGER NOT NULL,
  "scan" TEXT,
  "published_by_id" INTEGER,
  "published_at" DATETIME NOT NULL,
  "withdrawn_at" DATETIME,
  FOREIGN KEY ("stored_id") REFERENCES "stored_object" ("id"),
  FOREIGN KEY ("published_by_id") REFERENCES "membership" ("id")
);
CREATE INDEX "document_published_by_id" ON "document" ("published_by_id");
CREATE INDEX "document_series" ON "document" ("series");
CREATE INDEX "document_stored_id" ON "document" ("stored_id");
CREATE UNIQUE INDEX "document_uid" ON "document" ("uid");
CREATE TABLE "document_office" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "document_id" INTEGER NOT NULL,
  "office_id" INTEGER NOT NULL,
  FOREIGN KEY ("document_id") REFERENCES "document" ("id"),
  FOREIGN KEY ("office_id") REFERENCES "office" ("id")
);
CREATE UNIQUE INDEX "document_office_document_id_office_id" ON "document_office" ("document_id", "office_id");
CREATE INDEX "document_office_office_id" ON "document_office" ("office_id");
CREATE TABLE "installer" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "uid" VARCHAR(255) NOT NULL,
  "device_id" INTEGER NOT NULL,
  "stored_id" INTEGER NOT NULL,
  "scan" TEXT,
  "uploaded_by_id" INTEGER,
  "uploaded_at" DATETIME NOT NULL,
  "fetched_at" DATETIME,
  "withdrawn_at" DATETIME,
  FOREIGN KEY ("device_id") REFERENCES "device" ("id"),
  FOREIGN KEY ("stored_id") REFERENCES "stored_object" ("id"),
  FOREIGN KEY ("uploaded_by_id") REFERENCES "membership" ("id")
);
CREATE UNIQUE INDEX "installer_current" ON "installer" ("device_id") WHERE ("withdrawn_at" IS NULL);
CREATE INDEX "installer_device_id" ON "installer" ("device_id");
CREATE INDEX "installer_stored_id" ON "installer" ("stored_id");
CREATE UNIQUE INDEX "installer_uid" ON "installer" ("uid");
CREATE INDEX "installer_uploaded_by_id" ON "installer" ("uploaded_by_id");
"""


def up(migrator, db):
    for statement in STATEMENTS.split(";\n"):
        if statement.strip():
            db.execute_sql(statement)
