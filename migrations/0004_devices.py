"""Devices: installers with secrets of their own, requests to activate, orders to the VPN server, handovers."""

STATEMENTS = """
ALTER TABLE "device" ADD COLUMN "seen_at" DATETIME;
ALTER TABLE "device" ADD COLUMN "replaced_at" DATETIME;
ALTER TABLE "installer" ADD COLUMN "key_sealed" TEXT;
ALTER TABLE "installer" ADD COLUMN "certificate" TEXT;
ALTER TABLE "installer" ADD COLUMN "machine_id" VARCHAR(255);
ALTER TABLE "installer" ADD COLUMN "computer_name" VARCHAR(255) NOT NULL DEFAULT '';
ALTER TABLE "installer" ADD COLUMN "bound_at" DATETIME;
ALTER TABLE "installer" ADD COLUMN "unbound_at" DATETIME;
CREATE UNIQUE INDEX "installer_bound" ON "installer" ("device_id") WHERE (("bound_at" IS NOT NULL) AND ("unbound_at" IS NULL));
CREATE UNIQUE INDEX "installer_machine" ON "installer" ("machine_id") WHERE (("bound_at" IS NOT NULL) AND ("unbound_at" IS NULL));
CREATE TABLE "installer_order" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "device_id" INTEGER NOT NULL,
  "state" VARCHAR(255) NOT NULL CHECK (state IN ('waiting', 'built', 'failed', 'void')),
  "ordered_by_id" INTEGER,
  "ordered_at" DATETIME NOT NULL,
  FOREIGN KEY ("device_id") REFERENCES "device" ("id") ON DELETE CASCADE,
  FOREIGN KEY ("ordered_by_id") REFERENCES "membership" ("id")
);
CREATE INDEX "installer_order_device_id" ON "installer_order" ("device_id");
CREATE INDEX "installer_order_ordered_by_id" ON "installer_order" ("ordered_by_id");
CREATE UNIQUE INDEX "installer_order_waiting" ON "installer_order" ("device_id") WHERE state = 'waiting';
CREATE TABLE "activation_request" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "uid" VARCHAR(255) NOT NULL,
  "receipt_number" VARCHAR(255) NOT NULL,
  "device_id" INTEGER NOT NULL,
  "installer_id" INTEGER NOT NULL,
  "state" VARCHAR(255) NOT NULL CHECK (state IN ('waiting', 'settling', 'activated', 'returned', 'void')),
  "code" VARCHAR(255) NOT NULL,
  "machine_id" VARCHAR(255) NOT NULL,
  "computer_name" VARCHAR(255) NOT NULL,
  "adapter" VARCHAR(255) NOT NULL,
  "volume" VARCHAR(255) NOT NULL,
  "notes" TEXT NOT NULL,
  "is_automatic" INTEGER NOT NULL,
  "address" VARCHAR(255) NOT NULL,
  "requested_at" DATETIME NOT NULL,
  "decided_at" DATETIME,
  "decided_by_id" INTEGER,
  "activated_at" DATETIME,
  "reason" TEXT NOT NULL,
  FOREIGN KEY ("device_id") REFERENCES "device" ("id"),
  FOREIGN KEY ("installer_id") REFERENCES "installer" ("id"),
  FOREIGN KEY ("decided_by_id") REFERENCES "membership" ("id")
);
CREATE UNIQUE INDEX "activation_open" ON "activation_request" ("device_id") WHERE state IN ('waiting', 'settling');
CREATE INDEX "activation_request_decided_by_id" ON "activation_request" ("decided_by_id");
CREATE INDEX "activation_request_device_id" ON "activation_request" ("device_id");
CREATE INDEX "activation_request_installer_id" ON "activation_request" ("installer_id");
CREATE UNIQUE INDEX "activation_request_receipt_number" ON "activation_request" ("receipt_number");
CREATE INDEX "activation_request_state_requested_at" ON "activation_request" ("state", "requested_at");
CREATE UNIQUE INDEX "activation_request_uid" ON "activation_request" ("uid");
CREATE TABLE "vpn_order" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "uid" VARCHAR(255) NOT NULL,
  "device_id" INTEGER NOT NULL,
  "installer_id" INTEGER,
  "is_on" INTEGER NOT NULL,
  "state" VARCHAR(255) NOT NULL CHECK (state IN ('waiting', 'done', 'void')),
  "asked_at" DATETIME NOT NULL,
  "done_at" DATETIME,
  "done_by_id" INTEGER,
  "failed_at" DATETIME,
  FOREIGN KEY ("device_id") REFERENCES "device" ("id"),
  FOREIGN KEY ("installer_id") REFERENCES "installer" ("id"),
  FOREIGN KEY ("done_by_id") REFERENCES "membership" ("id")
);
CREATE INDEX "vpn_order_device_id" ON "vpn_order" ("device_id");
CREATE INDEX "vpn_order_done_by_id" ON "vpn_order" ("done_by_id");
CREATE INDEX "vpn_order_installer_id" ON "vpn_order" ("installer_id");
CREATE UNIQUE INDEX "vpn_order_uid" ON "vpn_order" ("uid");
CREATE UNIQUE INDEX "vpn_order_waiting" ON "vpn_order" ("device_id") WHERE state = 'waiting';
CREATE TABLE "handover" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "uid" VARCHAR(255) NOT NULL,
  "office_id" INTEGER NOT NULL,
  "kind" VARCHAR(255) NOT NULL CHECK (kind IN ('planned', 'emergency')),
  "state" VARCHAR(255) NOT NULL CHECK (state IN ('open', 'done', 'withdrawn')),
  "predecessor_id" INTEGER NOT NULL,
  "successor_id" INTEGER NOT NULL,
  "is_newcomer" INTEGER NOT NULL,
  "reason" TEXT NOT NULL,
  "asked_by_id" INTEGER NOT NULL,
  "asked_at" DATETIME NOT NULL,
  "approved_by_id" INTEGER,
  "ended_at" DATETIME,
  "letters_id" INTEGER,
  FOREIGN KEY ("office_id") REFERENCES "office" ("id"),
  FOREIGN KEY ("predecessor_id") REFERENCES "membership" ("id"),
  FOREIGN KEY ("successor_id") REFERENCES "membership" ("id"),
  FOREIGN KEY ("asked_by_id") REFERENCES "membership" ("id"),
  FOREIGN KEY ("approved_by_id") REFERENCES "membership" ("id"),
  FOREIGN KEY ("letters_id") REFERENCES "letter_batch" ("id")
);
CREATE INDEX "handover_approved_by_id" ON "handover" ("approved_by_id");
CREATE INDEX "handover_asked_by_id" ON "handover" ("asked_by_id");
CREATE INDEX "handover_letters_id" ON "handover" ("letters_id");
CREATE INDEX "handover_office_id" ON "handover" ("office_id");
CREATE UNIQUE INDEX "handover_open" ON "handover" ("office_id") WHERE state = 'open';
CREATE INDEX "handover_predecessor_id" ON "handover" ("predecessor_id");
CREATE INDEX "handover_successor_id" ON "handover" ("successor_id");
CREATE UNIQUE INDEX "handover_uid" ON "handover" ("uid");
"""


def up(migrator, db):
    for statement in STATEMENTS.split(";\n"):
        if statement.strip():
            db.execute_sql(statement)
