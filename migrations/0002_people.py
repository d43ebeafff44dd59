"""People run themselves: places that wait for an answer or are stopped, authenticators with recovery codes, passwords
typed again.
"""

STATEMENTS = """
ALTER TABLE "membership" ADD COLUMN "invited_at" DATETIME;
ALTER TABLE "membership" ADD COLUMN "disabled_at" DATETIME;
ALTER TABLE "membership" ADD COLUMN "ends_on" DATE;
UPDATE "membership" SET
  "disabled_at" = (SELECT "disabled_at" FROM "user" WHERE "user"."id" = "membership"."user_id");
ALTER TABLE "user" DROP COLUMN "disabled_at";
ALTER TABLE "login_session" ADD COLUMN "confirmed_at" DATETIME;
CREATE TABLE "recovery_code" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "user_id" INTEGER NOT NULL,
  "code_hash" VARCHAR(255) NOT NULL,
  "used_at" DATETIME,
  FOREIGN KEY ("user_id") REFERENCES "user" ("id")
);
CREATE INDEX "recovery_code_user_id" ON "recovery_code" ("user_id");
"""


def up(migrator, db):
    for statement in STATEMENTS.split(";\n"):
        if statement.strip():
            db.execute_sql(statement)
