-- Who may do what in ClickHouse: as little as each of them needs. Run it as an administrator, once; every statement
-- can be repeated. The database is tieout: replace the name if the DSN names another one. On a self-run cluster add
-- ON CLUSTER to each statement, unless the cluster replicates its users, and run roles_cluster.sql as well.
--
-- tieout_migrator   tieout migrate: makes tables and views, adds columns; what the writer may, too; tieout compact
-- tieout_writer     tieout sync, tieout remap: adds rows and reads; changes and deletes nothing, whatever it is told
-- tieout_reader     analysts, dashboards, tieout status, tieout sql, tieout remap --dry-run: reads

CREATE SETTINGS PROFILE IF NOT EXISTS tieout_writer SETTINGS
    async_insert = 0 CONST,
    max_memory_usage = 8000000000 MAX 16000000000,
    max_execution_time = 600;

-- A client with a deadline sends it as max_execution_time with every query.
CREATE SETTINGS PROFILE IF NOT EXISTS tieout_reader SETTINGS
    readonly = 1,
    max_execution_time = 300 CHANGEABLE_IN_READONLY,
    max_memory_usage = 8000000000,
    max_result_rows = 50000000,
    log_queries = 1;

CREATE ROLE IF NOT EXISTS tieout_migrator SETTINGS PROFILE 'tieout_writer';
CREATE ROLE IF NOT EXISTS tieout_writer SETTINGS PROFILE 'tieout_writer', allow_ddl = 0 CONST;
CREATE ROLE IF NOT EXISTS tieout_reader SETTINGS PROFILE 'tieout_reader';

GRANT SELECT, INSERT ON tieout.* TO tieout_writer;
GRANT SELECT ON system.tables TO tieout_writer;
GRANT SELECT ON system.columns TO tieout_writer;
GRANT SELECT ON system.databases TO tieout_writer;
GRANT SELECT ON system.settings TO tieout_writer;
GRANT SELECT ON system.clusters TO tieout_writer;
GRANT SELECT ON system.replicas TO tieout_writer;

GRANT SELECT, INSERT, CREATE DATABASE, CREATE TABLE, CREATE VIEW, DROP VIEW ON tieout.* TO tieout_migrator;
GRANT ALTER ADD COLUMN, ALTER MODIFY COLUMN, ALTER COMMENT COLUMN ON tieout.* TO tieout_migrator;
GRANT OPTIMIZE ON tieout.* TO tieout_migrator;
GRANT SELECT ON system.parts TO tieout_migrator;
GRANT SELECT ON system.tables TO tieout_migrator;
GRANT SELECT ON system.columns TO tieout_migrator;
GRANT SELECT ON system.databases TO tieout_migrator;
GRANT SELECT ON system.settings TO tieout_migrator;
GRANT SELECT ON system.clusters TO tieout_migrator;
GRANT SELECT ON system.replicas TO tieout_migrator;

-- Asked for only where the server is configured with table_engines_require_grant.
GRANT TABLE ENGINE ON MergeTree TO tieout_migrator;
GRANT TABLE ENGINE ON AggregatingMergeTree TO tieout_migrator;
GRANT TABLE ENGINE ON ReplacingMergeTree TO tieout_migrator;

GRANT SELECT ON tieout.* TO tieout_reader;

CREATE QUOTA IF NOT EXISTS tieout_reader KEYED BY user_name
    FOR INTERVAL 1 hour MAX queries = 10000, execution_time = 7200
    TO tieout_reader;
