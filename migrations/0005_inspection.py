"""Inspection: what the scanner for malware said of a document on its way."""


def up(migrator, db):
    db.execute_sql('ALTER TABLE "inspection" ADD COLUMN "scan" TEXT')
    db.execute_sql(
        'CREATE INDEX "inspection_quarantined" ON "inspection" ("transfer_id") WHERE ("state" = \'quarantined\')'
    )
