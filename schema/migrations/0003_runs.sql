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
    refused     UInt64                   COMMENT 'Attempts that the partner refused for their rate. More than none is an incident.',
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
    position    String                   COMMENT 'Where the stream goes on and what is known of its lists, in the form of the run. Empty: at the beginning.',
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
    list         LowCardinality(String)          COMMENT 'Which of the stream''s lists, as in listed_under of its records; empty where the stream has only one.',
    window       String                          COMMENT 'Span of created_at that it speaks of, from/before in UTC; empty: all records of the list.',
    run_id       String                          COMMENT 'Run that tried the proof, see sync_runs.',
    level        LowCardinality(String)          COMMENT 'What is shown. C3: as many records were present at one answer as the partner counts in it; C3n: as many were ever seen, in a list that none leaves; snapshot: one answer is the whole list; stable: no total, and two readings that were the same; unproven: nothing.',
    proven_at    DateTime64(6, 'UTC')            COMMENT 'Instant of the answer that was compared; of a stable list: before the first of its two readings.',
    total        Nullable(UInt64)                COMMENT 'Records in the list by the partner''s count; NULL where it gives none.',
    distinct_ids UInt64                          COMMENT 'Records of the list that are in ClickHouse; what is in quarantine is not among them.',
    ids_sha256   String                          COMMENT 'SHA-256 of the identifiers at proven_at, sorted as bytes, each with a line feed, in hexadecimal; empty without a proof.',
    passes       UInt64                          COMMENT 'How often the run read the list from end to end.',
    requests     UInt64                          COMMENT 'Requests that the run spent on the list.',
    assumptions  String                          COMMENT 'What the proof takes for granted about the list.',
    reason       String                          COMMENT 'Why there is no proof; empty where there is one.',
    recorded_at  DateTime64(6, 'UTC')            COMMENT 'When this row was written; of rows with one key the last one counts.'
)
ENGINE = {{replicated}}ReplacingMergeTree(recorded_at)
ORDER BY (account, resource, list, window, run_id, level, proven_at)
SETTINGS {{settings}}
COMMENT 'For each run and list: whether ClickHouse holds the whole of the partner''s list, and by which proof.';

CREATE TABLE IF NOT EXISTS {{db}}.balance_cuts {{on_cluster}}
(
    account     LowCardinality(String)   COMMENT 'Name of the account in TIEOUT_ACCOUNTS.',
    run_id      String                   COMMENT 'Run that read both balances, see sync_runs.',
    currency    LowCardinality(String)   COMMENT 'Currency code in upper case.',
    provider    LowCardinality(String)   COMMENT 'Name of the definition by which the balance was read.',
    before_at   DateTime64(6, 'UTC')     COMMENT 'as_of of the snapshot before the lists were read.',
    after_at    DateTime64(6, 'UTC')     COMMENT 'as_of of the snapshot after the lists were read.',
    consistent  Bool                     COMMENT 'Both snapshots agree and every list is proven between them: the balance and the lists speak of one state.',
    reason      String                   COMMENT 'Why they do not; empty where they do.',
    recorded_at DateTime64(6, 'UTC')     COMMENT 'When this row was written; of a run, an account and a currency the last row counts.'
)
ENGINE = {{replicated}}ReplacingMergeTree(recorded_at)
ORDER BY (account, run_id, currency)
SETTINGS {{settings}}
COMMENT 'For each run and balance: whether it can be compared with the lists of its account.';

CREATE TABLE IF NOT EXISTS {{db}}.key_states {{on_cluster}}
(
    key        String                  COMMENT 'What the state is of, and a digest that names the key without telling it.',
    seq        UInt64                  COMMENT 'Number of the state: 2^32 times that of the lease of the key, plus its count; the highest counts.',
    state      String                  COMMENT 'What must not be forgotten: nonces up to which others may have been used, requests that may have been sent.',
    written_at DateTime64(6, 'UTC')    COMMENT 'When it was written: before it was made use of.'
)
ENGINE = {{replicated}}ReplacingMergeTree(seq)
ORDER BY key
SETTINGS {{settings}}
COMMENT 'What must survive a restart about the keys at partners. Of a key the row with the highest seq counts; older ones go by and by.';

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

CREATE TABLE IF NOT EXISTS {{db}}.remaps {{on_cluster}}
(
    remap_id    String                   COMMENT 'Identifier of one tieout remap.',
    account     LowCardinality(String)   COMMENT 'Name of the account in TIEOUT_ACCOUNTS.',
    resource    LowCardinality(String)   COMMENT 'deposits, trades, payments or balances.',
    provider    LowCardinality(String)   COMMENT 'Name of the definition by which the payloads were read again.',
    definition  String                   COMMENT 'SHA-256 of that definition, in hexadecimal.',
    outcome     LowCardinality(String)   COMMENT 'running, done, failed or interrupted. One that was killed stays running; the next one goes on where it was.',
    started_at  DateTime64(6, 'UTC')     COMMENT 'When it began with the stream: every mapped_at that it wrote is later.',
    recorded_at DateTime64(6, 'UTC')     COMMENT 'When this row was written; of a remap and a stream the last row counts.',
    versions    UInt64                   COMMENT 'Record versions that were looked at.',
    changed     UInt64                   COMMENT 'Of those, the ones that are read otherwise now.',
    kept        UInt64                   COMMENT 'Of those, the ones that the definition cannot read: they stay as they were.',
    resolved    UInt64                   COMMENT 'Records that have left the quarantine.',
    rejected    UInt64                   COMMENT 'Records that are still in quarantine.'
)
ENGINE = {{replicated}}ReplacingMergeTree(recorded_at)
ORDER BY (account, resource, remap_id)
SETTINGS {{settings}}
COMMENT 'What tieout remap has done: one row a remap and stream.';
