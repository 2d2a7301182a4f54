-- What runs have done, how far each stream has come, and what is proven.

CREATE TABLE IF NOT EXISTS {{db}}.sync_runs {{on_cluster}}
(
    run_id      String                   COMMENT 'Identifier of the run.',
    account     LowCardinality(String)   COMMENT 'Name of the account in TIEOUT_ACCOUNTS.',
    resource    LowCardinality(String)   COMMENT 'deposits, trades, payments or balances.',
    provider    LowCardinality(String)   COMMENT 'Name of the definition in use.',
    outcome     LowCardinality(String)   COMMENT 'running, done, unproven, failed or interrupted. A run that was killed stays running.',
    error_class LowCardinality(String)   COMMENT 'What kind of failure ended the stream; empty without one.',
    error       String                   COMMENT 'The failure in words; empty without one.',
    started_at  DateTime64(6, 'UTC')     COMMENT 'When the run began: the same for all its streams.',
    recorded_at DateTime64(6, 'UTC')     COMMENT 'When this row was written; of a stream and a run the last row counts.',
    pages       UInt64                   COMMENT 'Answers that were read.',
    requests    UInt64                   COMMENT 'Attempts that were sent, repeats included.',
    records     UInt64                   COMMENT 'Records in those answers.',
    versions    UInt64                   COMMENT 'Record versions that were new and written; for balances the snapshots.',
    rejected    UInt64                   COMMENT 'Records that went to rejected_records.',
    limit_wait_ms UInt64                 COMMENT 'Time spent waiting for the partner''s rate limit.'
)
ENGINE = {{replicated}}ReplacingMergeTree(recorded_at)
ORDER BY (run_id, account, resource)
SETTINGS {{settings}}
COMMENT 'One row a run and stream.';

CREATE TABLE IF NOT EXISTS {{db}}.sync_checkpoints {{on_cluster}}
(
    account     LowCardinality(String)   COMMENT 'Name of the account in TIEOUT_ACCOUNTS.',
    resource    LowCardinality(String)   COMMENT 'deposits, trades, payments or balances.',
    epoch       UInt64                   COMMENT 'Number of the run of this stream; it only grows, and a lower one never counts again.',
    seq         UInt64                   COMMENT 'Number of the checkpoint in its epoch, from 1.',
    source      LowCardinality(String)   COMMENT 'Host and path of the partner''s API that the list was read from.',
    position    String                   COMMENT 'Where the list goes on; its form belongs to the paging style. Empty: at the beginning.',
    batch_id    String                   COMMENT 'SHA-256 of what was written before this checkpoint, in hexadecimal.',
    batch_rows  UInt64                   COMMENT 'Record versions in that batch.',
    run_id      String                   COMMENT 'Run that wrote it, see sync_runs.',
    written_at  DateTime64(6, 'UTC')     COMMENT 'When it was written: after everything that it speaks of.'
)
ENGINE = {{replicated}}MergeTree
ORDER BY (account, resource, epoch, seq)
SETTINGS {{settings}}
COMMENT 'How far each stream has come. Rows are only added; the one with the highest epoch and seq counts.';

CREATE TABLE IF NOT EXISTS {{db}}.sync_certificates {{on_cluster}}
(
    account      LowCardinality(String)          COMMENT 'Name of the account in TIEOUT_ACCOUNTS.',
    resource     LowCardinality(String)          COMMENT 'deposits, trades, payments or balances.',
    run_id       String                          COMMENT 'Run that tried the proof, see sync_runs.',
    level        LowCardinality(String)          COMMENT 'C3n: every id ever seen is counted by the partner; snapshot: one answer is the whole list; unproven.',
    proven_at    DateTime64(6, 'UTC')            COMMENT 'Instant of the answer whose total is compared.',
    total        Nullable(UInt64)                COMMENT 'Records in the list by the partner''s count; NULL where it gives none.',
    distinct_ids UInt64                          COMMENT 'Identifiers of the list that are in ClickHouse, quarantine included.',
    assumptions  String                          COMMENT 'What the proof takes for granted about the list.',
    reason       String                          COMMENT 'Why there is no proof; empty where there is one.'
)
ENGINE = {{replicated}}ReplacingMergeTree(proven_at)
ORDER BY (account, resource, run_id)
SETTINGS {{settings}}
COMMENT 'For each run and stream: whether ClickHouse holds the partner''s whole list, and by which proof.';

CREATE TABLE IF NOT EXISTS {{db}}.key_states {{on_cluster}}
(
    key        String                  COMMENT 'What the state is of, and a digest that names the key without telling it.',
    seq        UInt64                  COMMENT 'Number of the state, from 1; the highest counts.',
    state      String                  COMMENT 'What must not be forgotten, as the nonces up to which others may have been used.',
    written_at DateTime64(6, 'UTC')    COMMENT 'When it was written: before it was made use of.'
)
ENGINE = {{replicated}}MergeTree
ORDER BY (key, seq)
SETTINGS {{settings}}
COMMENT 'What must survive a restart about the keys at partners. Rows are only added.';

CREATE TABLE IF NOT EXISTS {{db}}.sync_leases {{on_cluster}}
(
    scope       String                                              COMMENT 'What the lease is of: account and its name, or key and a digest that names the key without telling it.',
    fence       UInt64                                              COMMENT 'Number of the lease, which only grows; the epoch of the checkpoints that are written under it.',
    claim_id    String                                              COMMENT 'Random: tells the claims of rivals apart.',
    host        SimpleAggregateFunction(any, String)                COMMENT 'Machine of the process that claims the lease.',
    pid         SimpleAggregateFunction(any, Int64)                 COMMENT 'Number of the process on that machine.',
    process     SimpleAggregateFunction(any, String)                COMMENT 'Tells the process from all others; empty where nobody can.',
    run_id      SimpleAggregateFunction(any, String)                COMMENT 'Run that wants to write, see sync_runs.',
    taken_at    SimpleAggregateFunction(min, DateTime64(6, 'UTC'))  COMMENT 'When it was claimed, by the clock of ClickHouse.',
    expires_at  SimpleAggregateFunction(max, DateTime64(6, 'UTC'))  COMMENT 'From when on somebody else may take it, by the same clock.',
    released_at SimpleAggregateFunction(max, DateTime64(6, 'UTC'))  COMMENT 'When it was given back; 1970 before that.'
)
ENGINE = {{replicated}}AggregatingMergeTree
ORDER BY (scope, fence, claim_id)
SETTINGS {{settings}}
COMMENT 'Who may write: the claim with the highest number, unless it has expired or was released.';
