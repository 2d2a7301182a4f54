-- The database and the journal of its migrations.

CREATE DATABASE IF NOT EXISTS {{db}} {{on_cluster}};

CREATE TABLE IF NOT EXISTS {{db}}.schema_migrations {{on_cluster}}
(
    version    UInt32                 COMMENT 'Number of the migration, from 1 without gaps.',
    name       String                 COMMENT 'File that was applied.',
    sha256     FixedString(64)        COMMENT 'SHA-256 of the file in hexadecimal: an applied file never changes.',
    applied_at DateTime64(6, 'UTC')   COMMENT 'When its last statement had succeeded.'
)
ENGINE = {{replicated}}ReplacingMergeTree(applied_at)
ORDER BY version
COMMENT 'Journal of the schema: one row a migration that was applied completely.';
