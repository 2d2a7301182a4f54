-- 1 0001_journal.sql

CREATE DATABASE IF NOT EXISTS `tieout`;

CREATE TABLE IF NOT EXISTS `tieout`.schema_migrations 
(
    version    UInt32                 COMMENT 'Number of the migration, from 1 without gaps.',
    name       String                 COMMENT 'File that was applied.',
    sha256     FixedString(64)        COMMENT 'SHA-256 of the file in hexadecimal: an applied file never changes.',
    applied_at DateTime64(6, 'UTC')   COMMENT 'When its last statement had succeeded.'
)
ENGINE = ReplacingMergeTree(applied_at)
ORDER BY version
COMMENT 'Journal of the schema: one row a migration that was applied completely.';

-- 2 0002_records.sql

CREATE TABLE IF NOT EXISTS `tieout`.deposit_versions 
(
    account         LowCardinality(String)                                      COMMENT 'Name of the account in TIEOUT_ACCOUNTS.',
    deposit_id      String                                                      COMMENT 'Identifier that the partner gave.',
    version         UInt64                                                      COMMENT 'Number of the change that was observed, from 1.',
    payload_hash    FixedString(32)                                             COMMENT 'SHA-256 of the canonical payload and of listed_under: the same for the same content.',
    created_at      DateTime64(6, 'UTC')                                        COMMENT 'When the partner made the deposit.',
    updated_at      SimpleAggregateFunction(any, Nullable(DateTime64(6, 'UTC'))) COMMENT 'When the partner last changed it; NULL where it does not say.',
    provider        SimpleAggregateFunction(any, LowCardinality(String))        COMMENT 'Name of the definition by which the record was read.',
    status          SimpleAggregateFunction(any, LowCardinality(String))        COMMENT 'pending, completed, failed, cancelled or unknown: our reading of provider_status.',
    provider_status SimpleAggregateFunction(any, LowCardinality(String))        COMMENT 'Status in the partner''s own word; empty where it gives none.',
    currency        SimpleAggregateFunction(any, LowCardinality(String))        COMMENT 'Currency code in upper case.',
    amount          SimpleAggregateFunction(any, Decimal(76, 18))               COMMENT 'Amount that arrived, in whole units of currency.',
    fee             SimpleAggregateFunction(any, Nullable(Decimal(76, 18)))     COMMENT 'Fee in whole units of currency; NULL where the partner does not say.',
    network         SimpleAggregateFunction(any, LowCardinality(String))        COMMENT 'Chain of a crypto deposit; empty for others.',
    txid            SimpleAggregateFunction(any, String)                        COMMENT 'Transaction on the chain; empty for others.',
    customer_id     SimpleAggregateFunction(any, String)                        COMMENT 'The partner''s identifier of the paying customer.',
    reference       SimpleAggregateFunction(any, String)                        COMMENT 'Text of the payer or of the firm.',
    listed_under    SimpleAggregateFunction(any, LowCardinality(String))        COMMENT 'Value of the list''s filter under which the partner returned this version; empty for an unfiltered list.',
    first_seen_at   SimpleAggregateFunction(min, DateTime64(6, 'UTC'))          COMMENT 'When the first answer that held this version arrived; of a tombstone: deleted_at, or the same of the version before if that is later.',
    mapped_at       DateTime64(6, 'UTC')                                        COMMENT 'When tieout remap derived the columns again from the payload; 1970: as they were derived when the version was seen.',
    deleted_at      SimpleAggregateFunction(any, Nullable(DateTime64(6, 'UTC'))) COMMENT 'Of a tombstone: by when the record had left the partner''s list; NULL in every other version.',
    evidence        SimpleAggregateFunction(any, String)                        COMMENT 'Of a tombstone: the certificate that shows it; empty in every other version.',
    moved           SimpleAggregateFunction(any, Bool)                          COMMENT 'Its created_at is not that of the version before: then the record''s versions lie in several partitions.',
    run_id          SimpleAggregateFunction(any, String)                        COMMENT 'Run that wrote this version, see sync_runs.',
    payload         SimpleAggregateFunction(any, String)         COMMENT 'The partner''s JSON, byte for byte. Holds personal data.' CODEC(ZSTD(3))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(created_at)
ORDER BY (account, deposit_id, version, payload_hash, mapped_at)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Every version of every deposit. Query the view deposits unless history is wanted.';

CREATE TABLE IF NOT EXISTS `tieout`.trade_versions 
(
    account         LowCardinality(String)                                      COMMENT 'Name of the account in TIEOUT_ACCOUNTS.',
    trade_id        String                                                      COMMENT 'Identifier that the partner gave.',
    version         UInt64                                                      COMMENT 'Number of the change that was observed, from 1.',
    payload_hash    FixedString(32)                                             COMMENT 'SHA-256 of the canonical payload and of listed_under: the same for the same content.',
    created_at      DateTime64(6, 'UTC')                                        COMMENT 'When the partner made the trade.',
    updated_at      SimpleAggregateFunction(any, Nullable(DateTime64(6, 'UTC'))) COMMENT 'When the partner last changed it; NULL where it does not say.',
    provider        SimpleAggregateFunction(any, LowCardinality(String))        COMMENT 'Name of the definition by which the record was read.',
    status          SimpleAggregateFunction(any, LowCardinality(String))        COMMENT 'pending, completed, failed, cancelled or unknown: our reading of provider_status.',
    provider_status SimpleAggregateFunction(any, LowCardinality(String))        COMMENT 'Status in the partner''s own word; empty where it gives none.',
    from_currency   SimpleAggregateFunction(any, LowCardinality(String))        COMMENT 'Code of the currency that was given, in upper case.',
    from_amount     SimpleAggregateFunction(any, Decimal(76, 18))               COMMENT 'Amount that was given, in whole units of from_currency.',
    to_currency     SimpleAggregateFunction(any, LowCardinality(String))        COMMENT 'Code of the currency that was received, in upper case.',
    to_amount       SimpleAggregateFunction(any, Decimal(76, 18))               COMMENT 'Amount that was received, in whole units of to_currency.',
    fee             SimpleAggregateFunction(any, Nullable(Decimal(76, 18)))     COMMENT 'Fee in whole units of fee_currency; NULL where the partner does not say.',
    fee_currency    SimpleAggregateFunction(any, LowCardinality(String))        COMMENT 'Code of the currency of fee, in upper case; empty where it is not known.',
    deposit_id      SimpleAggregateFunction(any, String)                        COMMENT 'Deposit that the trade converted; empty where the partner does not say.',
    listed_under    SimpleAggregateFunction(any, LowCardinality(String))        COMMENT 'Value of the list''s filter under which the partner returned this version; empty for an unfiltered list.',
    first_seen_at   SimpleAggregateFunction(min, DateTime64(6, 'UTC'))          COMMENT 'When the first answer that held this version arrived; of a tombstone: deleted_at, or the same of the version before if that is later.',
    mapped_at       DateTime64(6, 'UTC')                                        COMMENT 'When tieout remap derived the columns again from the payload; 1970: as they were derived when the version was seen.',
    deleted_at      SimpleAggregateFunction(any, Nullable(DateTime64(6, 'UTC'))) COMMENT 'Of a tombstone: by when the record had left the partner''s list; NULL in every other version.',
    evidence        SimpleAggregateFunction(any, String)                        COMMENT 'Of a tombstone: the certificate that shows it; empty in every other version.',
    moved           SimpleAggregateFunction(any, Bool)                          COMMENT 'Its created_at is not that of the version before: then the record''s versions lie in several partitions.',
    run_id          SimpleAggregateFunction(any, String)                        COMMENT 'Run that wrote this version, see sync_runs.',
    payload         SimpleAggregateFunction(any, String)         COMMENT 'The partner''s JSON, byte for byte. Holds personal data.' CODEC(ZSTD(3))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(created_at)
ORDER BY (account, trade_id, version, payload_hash, mapped_at)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Every version of every trade. Query the view trades unless history is wanted.';

CREATE TABLE IF NOT EXISTS `tieout`.payment_versions 
(
    account           LowCardinality(String)                                      COMMENT 'Name of the account in TIEOUT_ACCOUNTS.',
    payment_id        String                                                      COMMENT 'Identifier that the partner gave.',
    version           UInt64                                                      COMMENT 'Number of the change that was observed, from 1.',
    payload_hash      FixedString(32)                                             COMMENT 'SHA-256 of the canonical payload and of listed_under: the same for the same content.',
    created_at        DateTime64(6, 'UTC')                                        COMMENT 'When the partner made the payment.',
    updated_at        SimpleAggregateFunction(any, Nullable(DateTime64(6, 'UTC'))) COMMENT 'When the partner last changed it; NULL where it does not say.',
    provider          SimpleAggregateFunction(any, LowCardinality(String))        COMMENT 'Name of the definition by which the record was read.',
    status            SimpleAggregateFunction(any, LowCardinality(String))        COMMENT 'pending, completed, failed, cancelled or unknown: our reading of provider_status.',
    provider_status   SimpleAggregateFunction(any, LowCardinality(String))        COMMENT 'Status in the partner''s own word; empty where it gives none.',
    currency          SimpleAggregateFunction(any, LowCardinality(String))        COMMENT 'Code of the currency that was deducted, in upper case.',
    amount            SimpleAggregateFunction(any, Decimal(76, 18))               COMMENT 'Amount deducted from the account, in whole units of currency.',
    received_currency SimpleAggregateFunction(any, LowCardinality(String))        COMMENT 'Code of the currency that the beneficiary received, in upper case.',
    received_amount   SimpleAggregateFunction(any, Nullable(Decimal(76, 18)))     COMMENT 'Amount that the beneficiary received, in whole units of received_currency; NULL where the partner does not say.',
    rate              SimpleAggregateFunction(any, Nullable(Decimal(76, 18)))     COMMENT 'Units of received_currency for one unit of currency; NULL where the partner does not say.',
    fee               SimpleAggregateFunction(any, Nullable(Decimal(76, 18)))     COMMENT 'Fee in whole units of fee_currency; NULL where the partner does not say.',
    fee_currency      SimpleAggregateFunction(any, LowCardinality(String))        COMMENT 'Code of the currency of fee, in upper case; empty where it is not known.',
    reference         SimpleAggregateFunction(any, String)                        COMMENT 'The firm''s own text.',
    listed_under      SimpleAggregateFunction(any, LowCardinality(String))        COMMENT 'Value of the list''s filter under which the partner returned this version; empty for an unfiltered list.',
    first_seen_at     SimpleAggregateFunction(min, DateTime64(6, 'UTC'))          COMMENT 'When the first answer that held this version arrived; of a tombstone: deleted_at, or the same of the version before if that is later.',
    mapped_at         DateTime64(6, 'UTC')                                        COMMENT 'When tieout remap derived the columns again from the payload; 1970: as they were derived when the version was seen.',
    deleted_at        SimpleAggregateFunction(any, Nullable(DateTime64(6, 'UTC'))) COMMENT 'Of a tombstone: by when the record had left the partner''s list; NULL in every other version.',
    evidence          SimpleAggregateFunction(any, String)                        COMMENT 'Of a tombstone: the certificate that shows it; empty in every other version.',
    moved             SimpleAggregateFunction(any, Bool)                          COMMENT 'Its created_at is not that of the version before: then the record''s versions lie in several partitions.',
    run_id            SimpleAggregateFunction(any, String)                        COMMENT 'Run that wrote this version, see sync_runs.',
    payload           SimpleAggregateFunction(any, String)         COMMENT 'The partner''s JSON, byte for byte. Holds personal data.' CODEC(ZSTD(3))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(created_at)
ORDER BY (account, payment_id, version, payload_hash, mapped_at)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Every version of every payment. Query the view payments unless history is wanted.';

CREATE TABLE IF NOT EXISTS `tieout`.balance_snapshots 
(
    account      LowCardinality(String)     COMMENT 'Name of the account in TIEOUT_ACCOUNTS.',
    currency     LowCardinality(String)     COMMENT 'Currency code in upper case.',
    as_of        DateTime64(6, 'UTC')       COMMENT 'Instant that the snapshot stands for: the start of its run. A repeated snapshot takes the same place.',
    observed_us  UInt64                     COMMENT 'observed_at in microseconds since 1970: of two rows in one place the later observation stays.',
    observed_at  DateTime64(6, 'UTC')       COMMENT 'When the answer arrived.',
    provider     LowCardinality(String)     COMMENT 'Name of the definition by which the balance was read.',
    available    Nullable(Decimal(76, 18))  COMMENT 'Free to use, in whole units of currency; NULL where the partner does not say.',
    locked       Nullable(Decimal(76, 18))  COMMENT 'Reserved by the partner, in whole units of currency; NULL where the partner does not say.',
    total        Nullable(Decimal(76, 18))  COMMENT 'As the partner states it, never added up; NULL where it does not say.',
    mapped_at    DateTime64(6, 'UTC')       COMMENT 'When tieout remap derived the columns again from the payload; 1970: as they were derived when it was observed.',
    run_id       String                     COMMENT 'Run that observed it, see sync_runs.',
    payload      String      COMMENT 'The partner''s JSON, byte for byte.' CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree(observed_us)
PARTITION BY toYYYYMM(as_of)
ORDER BY (account, currency, as_of, mapped_at)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'What each account held when it was observed. Snapshots are states: never add them up over time.';

CREATE TABLE IF NOT EXISTS `tieout`.rejected_records 
(
    account       LowCardinality(String)                                COMMENT 'Name of the account in TIEOUT_ACCOUNTS.',
    resource      LowCardinality(String)                                COMMENT 'deposits, trades, payments or balances.',
    record_id     String                                                COMMENT 'Identifier that the partner gave; empty where none could be read.',
    payload_hash  FixedString(32)                                       COMMENT 'SHA-256 of the canonical payload and of listed_under: the same for the same content.',
    provider      SimpleAggregateFunction(any, LowCardinality(String))  COMMENT 'Name of the definition by which the record was read.',
    reason        SimpleAggregateFunction(any, String)                  COMMENT 'Which columns could not be filled, and why.',
    listed_under  SimpleAggregateFunction(any, LowCardinality(String))  COMMENT 'Value of the list''s filter under which the partner returned the record.',
    first_seen_at SimpleAggregateFunction(min, DateTime64(6, 'UTC'))    COMMENT 'When the first answer that held this content arrived.',
    last_seen_at  SimpleAggregateFunction(max, DateTime64(6, 'UTC'))    COMMENT 'When the last answer that held this content arrived.',
    listed_at     SimpleAggregateFunction(max, DateTime64(6, 'UTC'))    COMMENT 'When the last request was sent whose answer had this content in a list; 1970: it was only looked up.',
    permanent     SimpleAggregateFunction(max, Bool)                    COMMENT 'The reason lies in what the partner answered: no other definition can read it.',
    mapped_at     DateTime64(6, 'UTC')                                  COMMENT 'When tieout remap read it again, without success or with; 1970: as it was when it was seen.',
    resolved_at   SimpleAggregateFunction(max, DateTime64(6, 'UTC'))    COMMENT 'When tieout remap could read it; 1970: it could not. Rejected once more after that, it is in quarantine again.',
    run_id        SimpleAggregateFunction(any, String)                  COMMENT 'A run that met it, see sync_runs.',
    payload       SimpleAggregateFunction(any, String)   COMMENT 'The partner''s JSON, byte for byte. Holds personal data.' CODEC(ZSTD(3))
)
ENGINE = AggregatingMergeTree
ORDER BY (account, resource, record_id, payload_hash, mapped_at)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Every record that partners listed and that did not fit its table, kept whole with the reason. Query the view quarantine for what is still unread.';

CREATE TABLE IF NOT EXISTS `tieout`.record_sightings 
(
    account       LowCardinality(String)                                COMMENT 'Name of the account in TIEOUT_ACCOUNTS.',
    resource      LowCardinality(String)                                COMMENT 'deposits, trades or payments.',
    record_id     String                                                COMMENT 'Identifier that the partner gave.',
    version       UInt64                                                COMMENT 'Number of the change that was observed, from 1, as in the table of versions.',
    first_seen_at SimpleAggregateFunction(min, DateTime64(6, 'UTC'))    COMMENT 'When the first answer that held this version arrived.',
    last_seen_at  SimpleAggregateFunction(max, DateTime64(6, 'UTC'))    COMMENT 'When the last request whose answer held this version was sent.',
    listed_under  SimpleAggregateFunction(any, LowCardinality(String))  COMMENT 'Value of the list''s filter under which the partner returned this version; empty for an unfiltered list.',
    tombstone     SimpleAggregateFunction(any, Bool)                    COMMENT 'The version says that the record has left the list: nobody has seen it, and both times are its first_seen_at.'
)
ENGINE = AggregatingMergeTree
PARTITION BY (account, resource)
ORDER BY (account, resource, record_id, version)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'When each version of each record was seen first and last in its partner''s list: what certificates of presence rest on.';

-- 3 0003_runs.sql

CREATE TABLE IF NOT EXISTS `tieout`.sync_runs 
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
ENGINE = ReplacingMergeTree(recorded_at)
ORDER BY (run_id, account, resource)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'One row a run and stream.';

CREATE TABLE IF NOT EXISTS `tieout`.sync_checkpoints 
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
ENGINE = MergeTree
ORDER BY (account, resource, epoch, seq)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'How far each stream has come. Rows are only added; the one with the highest epoch and seq counts.';

CREATE TABLE IF NOT EXISTS `tieout`.sync_certificates 
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
ENGINE = ReplacingMergeTree(recorded_at)
ORDER BY (account, resource, list, window, run_id, level, proven_at)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'For each run and list: whether ClickHouse holds the whole of the partner''s list, and by which proof.';

CREATE TABLE IF NOT EXISTS `tieout`.balance_cuts 
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
ENGINE = ReplacingMergeTree(recorded_at)
ORDER BY (account, run_id, currency)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'For each run and balance: whether it can be compared with the lists of its account.';

CREATE TABLE IF NOT EXISTS `tieout`.key_states 
(
    key        String                  COMMENT 'What the state is of, and a digest that names the key without telling it.',
    seq        UInt64                  COMMENT 'Number of the state: 2^32 times that of the lease of the key, plus its count; the highest counts.',
    state      String                  COMMENT 'What must not be forgotten: nonces up to which others may have been used, requests that may have been sent.',
    written_at DateTime64(6, 'UTC')    COMMENT 'When it was written: before it was made use of.'
)
ENGINE = ReplacingMergeTree(seq)
ORDER BY key
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'What must survive a restart about the keys at partners. Of a key the row with the highest seq counts; older ones go by and by.';

CREATE TABLE IF NOT EXISTS `tieout`.sync_leases 
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
ENGINE = AggregatingMergeTree
ORDER BY (scope, fence, claim_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Who may write: the claim with the highest number, unless it has expired or was released.';

CREATE TABLE IF NOT EXISTS `tieout`.remaps 
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
ENGINE = ReplacingMergeTree(recorded_at)
ORDER BY (account, resource, remap_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'What tieout remap has done: one row a remap and stream.';

-- 4 0004_views.sql

CREATE VIEW IF NOT EXISTS `tieout`.deposits 
(
    account         LowCardinality(String)         COMMENT 'Name of the account in TIEOUT_ACCOUNTS.',
    provider        LowCardinality(String)         COMMENT 'Name of the definition by which the record was read.',
    deposit_id      String                         COMMENT 'Identifier that the partner gave.',
    status          LowCardinality(String)         COMMENT 'pending, completed, failed, cancelled or unknown: our reading of provider_status.',
    provider_status LowCardinality(String)         COMMENT 'Status in the partner''s own word; empty where it gives none.',
    currency        LowCardinality(String)         COMMENT 'Currency code in upper case.',
    amount          Decimal(76, 18)                COMMENT 'Amount that arrived, in whole units of currency.',
    fee             Nullable(Decimal(76, 18))      COMMENT 'Fee in whole units of currency; NULL where the partner does not say.',
    network         LowCardinality(String)         COMMENT 'Chain of a crypto deposit; empty for others.',
    txid            String                         COMMENT 'Transaction on the chain; empty for others.',
    customer_id     String                         COMMENT 'The partner''s identifier of the paying customer.',
    reference       String                         COMMENT 'Text of the payer or of the firm.',
    created_at      DateTime64(6, 'UTC')           COMMENT 'When the partner made it.',
    updated_at      Nullable(DateTime64(6, 'UTC')) COMMENT 'When the partner last changed it; NULL where it does not say.',
    deleted_at      Nullable(DateTime64(6, 'UTC')) COMMENT 'By when it had left the partner''s list; NULL for a record that is there.',
    first_seen_at   DateTime64(6, 'UTC')           COMMENT 'When this version was first seen.',
    version         UInt64                         COMMENT 'Number of the change that was observed, from 1.',
    payload         String                         COMMENT 'The partner''s JSON, byte for byte. Holds personal data.'
)
AS SELECT
    account, provider, deposit_id, status, provider_status, currency, amount, fee, network, txid,
    customer_id, reference, created_at, updated_at, deleted_at, first_seen_at, version, payload
FROM `tieout`.deposit_versions FINAL
WHERE (account, deposit_id) NOT IN (SELECT account, deposit_id FROM `tieout`.deposit_versions WHERE moved)
ORDER BY version DESC, first_seen_at DESC, mapped_at DESC
LIMIT 1 BY account, deposit_id, created_at
SETTINGS do_not_merge_across_partitions_select_final = 1
UNION ALL
SELECT
    account, provider, deposit_id, status, provider_status, currency, amount, fee, network, txid,
    customer_id, reference, created_at, updated_at, deleted_at, first_seen_at, version, payload
FROM `tieout`.deposit_versions FINAL
WHERE (account, deposit_id) IN (SELECT account, deposit_id FROM `tieout`.deposit_versions WHERE moved)
ORDER BY version DESC, first_seen_at DESC, mapped_at DESC
LIMIT 1 BY account, deposit_id
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'One row a deposit that the partner ever listed: its current version. What has left the list has a deleted_at.';

CREATE VIEW IF NOT EXISTS `tieout`.deposits_as_of 
(
    account         LowCardinality(String)         COMMENT 'Name of the account in TIEOUT_ACCOUNTS.',
    provider        LowCardinality(String)         COMMENT 'Name of the definition by which the record was read.',
    deposit_id      String                         COMMENT 'Identifier that the partner gave.',
    status          LowCardinality(String)         COMMENT 'pending, completed, failed, cancelled or unknown: our reading of provider_status.',
    provider_status LowCardinality(String)         COMMENT 'Status in the partner''s own word; empty where it gives none.',
    currency        LowCardinality(String)         COMMENT 'Currency code in upper case.',
    amount          Decimal(76, 18)                COMMENT 'Amount that arrived, in whole units of currency.',
    fee             Nullable(Decimal(76, 18))      COMMENT 'Fee in whole units of currency; NULL where the partner does not say.',
    network         LowCardinality(String)         COMMENT 'Chain of a crypto deposit; empty for others.',
    txid            String                         COMMENT 'Transaction on the chain; empty for others.',
    customer_id     String                         COMMENT 'The partner''s identifier of the paying customer.',
    reference       String                         COMMENT 'Text of the payer or of the firm.',
    created_at      DateTime64(6, 'UTC')           COMMENT 'When the partner made it.',
    updated_at      Nullable(DateTime64(6, 'UTC')) COMMENT 'When the partner last changed it; NULL where it does not say.',
    deleted_at      Nullable(DateTime64(6, 'UTC')) COMMENT 'By when it had left the partner''s list; NULL for a record that is there.',
    first_seen_at   DateTime64(6, 'UTC')           COMMENT 'When this version was first seen.',
    version         UInt64                         COMMENT 'Number of the change that was observed, from 1.',
    payload         String                         COMMENT 'The partner''s JSON, byte for byte. Holds personal data.'
)
AS SELECT
    account, provider, deposit_id, status, provider_status, currency, amount, fee, network, txid,
    customer_id, reference, created_at, updated_at, deleted_at, first_seen_at, version, payload
FROM `tieout`.deposit_versions FINAL
WHERE (account, deposit_id) NOT IN (SELECT account, deposit_id FROM `tieout`.deposit_versions WHERE moved) AND first_seen_at <= {known_at:DateTime64(6, 'UTC')}
    AND mapped_at <= {known_at:DateTime64(6, 'UTC')}
ORDER BY version DESC, first_seen_at DESC, mapped_at DESC
LIMIT 1 BY account, deposit_id, created_at
SETTINGS do_not_merge_across_partitions_select_final = 1
UNION ALL
SELECT
    account, provider, deposit_id, status, provider_status, currency, amount, fee, network, txid,
    customer_id, reference, created_at, updated_at, deleted_at, first_seen_at, version, payload
FROM `tieout`.deposit_versions FINAL
WHERE (account, deposit_id) IN (SELECT account, deposit_id FROM `tieout`.deposit_versions WHERE moved) AND first_seen_at <= {known_at:DateTime64(6, 'UTC')}
    AND mapped_at <= {known_at:DateTime64(6, 'UTC')}
ORDER BY version DESC, first_seen_at DESC, mapped_at DESC
LIMIT 1 BY account, deposit_id
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'One row a deposit: the version that was known at an instant, as in deposits_as_of(known_at = ''2026-07-01 00:00:00'').';

CREATE VIEW IF NOT EXISTS `tieout`.trades 
(
    account         LowCardinality(String)         COMMENT 'Name of the account in TIEOUT_ACCOUNTS.',
    provider        LowCardinality(String)         COMMENT 'Name of the definition by which the record was read.',
    trade_id        String                         COMMENT 'Identifier that the partner gave.',
    status          LowCardinality(String)         COMMENT 'pending, completed, failed, cancelled or unknown: our reading of provider_status.',
    provider_status LowCardinality(String)         COMMENT 'Status in the partner''s own word; empty where it gives none.',
    from_currency   LowCardinality(String)         COMMENT 'Code of the currency that was given, in upper case.',
    from_amount     Decimal(76, 18)                COMMENT 'Amount that was given, in whole units of from_currency.',
    to_currency     LowCardinality(String)         COMMENT 'Code of the currency that was received, in upper case.',
    to_amount       Decimal(76, 18)                COMMENT 'Amount that was received, in whole units of to_currency.',
    fee             Nullable(Decimal(76, 18))      COMMENT 'Fee in whole units of fee_currency; NULL where the partner does not say.',
    fee_currency    LowCardinality(String)         COMMENT 'Code of the currency of fee; empty where it is not known.',
    deposit_id      String                         COMMENT 'Deposit that the trade converted; empty where the partner does not say.',
    created_at      DateTime64(6, 'UTC')           COMMENT 'When the partner made it.',
    updated_at      Nullable(DateTime64(6, 'UTC')) COMMENT 'When the partner last changed it; NULL where it does not say.',
    deleted_at      Nullable(DateTime64(6, 'UTC')) COMMENT 'By when it had left the partner''s list; NULL for a record that is there.',
    first_seen_at   DateTime64(6, 'UTC')           COMMENT 'When this version was first seen.',
    version         UInt64                         COMMENT 'Number of the change that was observed, from 1.',
    payload         String                         COMMENT 'The partner''s JSON, byte for byte. Holds personal data.'
)
AS SELECT
    account, provider, trade_id, status, provider_status, from_currency, from_amount, to_currency,
    to_amount, fee, fee_currency, deposit_id, created_at, updated_at, deleted_at, first_seen_at,
    version, payload
FROM `tieout`.trade_versions FINAL
WHERE (account, trade_id) NOT IN (SELECT account, trade_id FROM `tieout`.trade_versions WHERE moved)
ORDER BY version DESC, first_seen_at DESC, mapped_at DESC
LIMIT 1 BY account, trade_id, created_at
SETTINGS do_not_merge_across_partitions_select_final = 1
UNION ALL
SELECT
    account, provider, trade_id, status, provider_status, from_currency, from_amount, to_currency,
    to_amount, fee, fee_currency, deposit_id, created_at, updated_at, deleted_at, first_seen_at,
    version, payload
FROM `tieout`.trade_versions FINAL
WHERE (account, trade_id) IN (SELECT account, trade_id FROM `tieout`.trade_versions WHERE moved)
ORDER BY version DESC, first_seen_at DESC, mapped_at DESC
LIMIT 1 BY account, trade_id
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'One row a trade that the partner ever listed: its current version. What has left the list has a deleted_at.';

CREATE VIEW IF NOT EXISTS `tieout`.trades_as_of 
(
    account         LowCardinality(String)         COMMENT 'Name of the account in TIEOUT_ACCOUNTS.',
    provider        LowCardinality(String)         COMMENT 'Name of the definition by which the record was read.',
    trade_id        String                         COMMENT 'Identifier that the partner gave.',
    status          LowCardinality(String)         COMMENT 'pending, completed, failed, cancelled or unknown: our reading of provider_status.',
    provider_status LowCardinality(String)         COMMENT 'Status in the partner''s own word; empty where it gives none.',
    from_currency   LowCardinality(String)         COMMENT 'Code of the currency that was given, in upper case.',
    from_amount     Decimal(76, 18)                COMMENT 'Amount that was given, in whole units of from_currency.',
    to_currency     LowCardinality(String)         COMMENT 'Code of the currency that was received, in upper case.',
    to_amount       Decimal(76, 18)                COMMENT 'Amount that was received, in whole units of to_currency.',
    fee             Nullable(Decimal(76, 18))      COMMENT 'Fee in whole units of fee_currency; NULL where the partner does not say.',
    fee_currency    LowCardinality(String)         COMMENT 'Code of the currency of fee; empty where it is not known.',
    deposit_id      String                         COMMENT 'Deposit that the trade converted; empty where the partner does not say.',
    created_at      DateTime64(6, 'UTC')           COMMENT 'When the partner made it.',
    updated_at      Nullable(DateTime64(6, 'UTC')) COMMENT 'When the partner last changed it; NULL where it does not say.',
    deleted_at      Nullable(DateTime64(6, 'UTC')) COMMENT 'By when it had left the partner''s list; NULL for a record that is there.',
    first_seen_at   DateTime64(6, 'UTC')           COMMENT 'When this version was first seen.',
    version         UInt64                         COMMENT 'Number of the change that was observed, from 1.',
    payload         String                         COMMENT 'The partner''s JSON, byte for byte. Holds personal data.'
)
AS SELECT
    account, provider, trade_id, status, provider_status, from_currency, from_amount, to_currency,
    to_amount, fee, fee_currency, deposit_id, created_at, updated_at, deleted_at, first_seen_at,
    version, payload
FROM `tieout`.trade_versions FINAL
WHERE (account, trade_id) NOT IN (SELECT account, trade_id FROM `tieout`.trade_versions WHERE moved) AND first_seen_at <= {known_at:DateTime64(6, 'UTC')}
    AND mapped_at <= {known_at:DateTime64(6, 'UTC')}
ORDER BY version DESC, first_seen_at DESC, mapped_at DESC
LIMIT 1 BY account, trade_id, created_at
SETTINGS do_not_merge_across_partitions_select_final = 1
UNION ALL
SELECT
    account, provider, trade_id, status, provider_status, from_currency, from_amount, to_currency,
    to_amount, fee, fee_currency, deposit_id, created_at, updated_at, deleted_at, first_seen_at,
    version, payload
FROM `tieout`.trade_versions FINAL
WHERE (account, trade_id) IN (SELECT account, trade_id FROM `tieout`.trade_versions WHERE moved) AND first_seen_at <= {known_at:DateTime64(6, 'UTC')}
    AND mapped_at <= {known_at:DateTime64(6, 'UTC')}
ORDER BY version DESC, first_seen_at DESC, mapped_at DESC
LIMIT 1 BY account, trade_id
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'One row a trade: the version that was known at an instant, as in trades_as_of(known_at = ''2026-07-01 00:00:00'').';

CREATE VIEW IF NOT EXISTS `tieout`.payments 
(
    account           LowCardinality(String)         COMMENT 'Name of the account in TIEOUT_ACCOUNTS.',
    provider          LowCardinality(String)         COMMENT 'Name of the definition by which the record was read.',
    payment_id        String                         COMMENT 'Identifier that the partner gave.',
    status            LowCardinality(String)         COMMENT 'pending, completed, failed, cancelled or unknown: our reading of provider_status.',
    provider_status   LowCardinality(String)         COMMENT 'Status in the partner''s own word; empty where it gives none.',
    currency          LowCardinality(String)         COMMENT 'Code of the currency that was deducted, in upper case.',
    amount            Decimal(76, 18)                COMMENT 'Amount deducted from the account, in whole units of currency.',
    received_currency LowCardinality(String)         COMMENT 'Code of the currency that the beneficiary received, in upper case.',
    received_amount   Nullable(Decimal(76, 18))      COMMENT 'Amount that the beneficiary received, in whole units of received_currency; NULL where the partner does not say.',
    rate              Nullable(Decimal(76, 18))      COMMENT 'Units of received_currency for one unit of currency; NULL where the partner does not say.',
    fee               Nullable(Decimal(76, 18))      COMMENT 'Fee in whole units of fee_currency; NULL where the partner does not say.',
    fee_currency      LowCardinality(String)         COMMENT 'Code of the currency of fee; empty where it is not known.',
    reference         String                         COMMENT 'The firm''s own text.',
    created_at        DateTime64(6, 'UTC')           COMMENT 'When the partner made it.',
    updated_at        Nullable(DateTime64(6, 'UTC')) COMMENT 'When the partner last changed it; NULL where it does not say.',
    deleted_at        Nullable(DateTime64(6, 'UTC')) COMMENT 'By when it had left the partner''s list; NULL for a record that is there.',
    first_seen_at     DateTime64(6, 'UTC')           COMMENT 'When this version was first seen.',
    version           UInt64                         COMMENT 'Number of the change that was observed, from 1.',
    payload           String                         COMMENT 'The partner''s JSON, byte for byte. Holds personal data.'
)
AS SELECT
    account, provider, payment_id, status, provider_status, currency, amount, received_currency,
    received_amount, rate, fee, fee_currency, reference, created_at, updated_at, deleted_at,
    first_seen_at, version, payload
FROM `tieout`.payment_versions FINAL
WHERE (account, payment_id) NOT IN (SELECT account, payment_id FROM `tieout`.payment_versions WHERE moved)
ORDER BY version DESC, first_seen_at DESC, mapped_at DESC
LIMIT 1 BY account, payment_id, created_at
SETTINGS do_not_merge_across_partitions_select_final = 1
UNION ALL
SELECT
    account, provider, payment_id, status, provider_status, currency, amount, received_currency,
    received_amount, rate, fee, fee_currency, reference, created_at, updated_at, deleted_at,
    first_seen_at, version, payload
FROM `tieout`.payment_versions FINAL
WHERE (account, payment_id) IN (SELECT account, payment_id FROM `tieout`.payment_versions WHERE moved)
ORDER BY version DESC, first_seen_at DESC, mapped_at DESC
LIMIT 1 BY account, payment_id
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'One row a payment that the partner ever listed: its current version. What has left the list has a deleted_at.';

CREATE VIEW IF NOT EXISTS `tieout`.payments_as_of 
(
    account           LowCardinality(String)         COMMENT 'Name of the account in TIEOUT_ACCOUNTS.',
    provider          LowCardinality(String)         COMMENT 'Name of the definition by which the record was read.',
    payment_id        String                         COMMENT 'Identifier that the partner gave.',
    status            LowCardinality(String)         COMMENT 'pending, completed, failed, cancelled or unknown: our reading of provider_status.',
    provider_status   LowCardinality(String)         COMMENT 'Status in the partner''s own word; empty where it gives none.',
    currency          LowCardinality(String)         COMMENT 'Code of the currency that was deducted, in upper case.',
    amount            Decimal(76, 18)                COMMENT 'Amount deducted from the account, in whole units of currency.',
    received_currency LowCardinality(String)         COMMENT 'Code of the currency that the beneficiary received, in upper case.',
    received_amount   Nullable(Decimal(76, 18))      COMMENT 'Amount that the beneficiary received, in whole units of received_currency; NULL where the partner does not say.',
    rate              Nullable(Decimal(76, 18))      COMMENT 'Units of received_currency for one unit of currency; NULL where the partner does not say.',
    fee               Nullable(Decimal(76, 18))      COMMENT 'Fee in whole units of fee_currency; NULL where the partner does not say.',
    fee_currency      LowCardinality(String)         COMMENT 'Code of the currency of fee; empty where it is not known.',
    reference         String                         COMMENT 'The firm''s own text.',
    created_at        DateTime64(6, 'UTC')           COMMENT 'When the partner made it.',
    updated_at        Nullable(DateTime64(6, 'UTC')) COMMENT 'When the partner last changed it; NULL where it does not say.',
    deleted_at        Nullable(DateTime64(6, 'UTC')) COMMENT 'By when it had left the partner''s list; NULL for a record that is there.',
    first_seen_at     DateTime64(6, 'UTC')           COMMENT 'When this version was first seen.',
    version           UInt64                         COMMENT 'Number of the change that was observed, from 1.',
    payload           String                         COMMENT 'The partner''s JSON, byte for byte. Holds personal data.'
)
AS SELECT
    account, provider, payment_id, status, provider_status, currency, amount, received_currency,
    received_amount, rate, fee, fee_currency, reference, created_at, updated_at, deleted_at,
    first_seen_at, version, payload
FROM `tieout`.payment_versions FINAL
WHERE (account, payment_id) NOT IN (SELECT account, payment_id FROM `tieout`.payment_versions WHERE moved) AND first_seen_at <= {known_at:DateTime64(6, 'UTC')}
    AND mapped_at <= {known_at:DateTime64(6, 'UTC')}
ORDER BY version DESC, first_seen_at DESC, mapped_at DESC
LIMIT 1 BY account, payment_id, created_at
SETTINGS do_not_merge_across_partitions_select_final = 1
UNION ALL
SELECT
    account, provider, payment_id, status, provider_status, currency, amount, received_currency,
    received_amount, rate, fee, fee_currency, reference, created_at, updated_at, deleted_at,
    first_seen_at, version, payload
FROM `tieout`.payment_versions FINAL
WHERE (account, payment_id) IN (SELECT account, payment_id FROM `tieout`.payment_versions WHERE moved) AND first_seen_at <= {known_at:DateTime64(6, 'UTC')}
    AND mapped_at <= {known_at:DateTime64(6, 'UTC')}
ORDER BY version DESC, first_seen_at DESC, mapped_at DESC
LIMIT 1 BY account, payment_id
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'One row a payment: the version that was known at an instant, as in payments_as_of(known_at = ''2026-07-01 00:00:00'').';

CREATE VIEW IF NOT EXISTS `tieout`.balances 
(
    account     LowCardinality(String)    COMMENT 'Name of the account in TIEOUT_ACCOUNTS.',
    provider    LowCardinality(String)    COMMENT 'Name of the definition by which the balance was read.',
    currency    LowCardinality(String)    COMMENT 'Currency code in upper case.',
    available   Nullable(Decimal(76, 18)) COMMENT 'Free to use, in whole units of currency; NULL where the partner does not say.',
    locked      Nullable(Decimal(76, 18)) COMMENT 'Reserved by the partner, in whole units of currency; NULL where the partner does not say.',
    total       Nullable(Decimal(76, 18)) COMMENT 'As the partner states it, never added up; NULL where it does not say.',
    observed_at DateTime64(6, 'UTC')      COMMENT 'When the answer arrived.',
    payload     String                    COMMENT 'The partner''s JSON, byte for byte.'
)
AS SELECT
    account, provider, currency, available, locked, total, observed_at, payload
FROM `tieout`.balance_snapshots FINAL
WHERE (account, as_of) IN (SELECT account, max(as_of) FROM `tieout`.balance_snapshots GROUP BY account)
ORDER BY observed_us DESC, mapped_at DESC
LIMIT 1 BY account, currency
COMMENT 'One row a balance: the last snapshot of each account. A currency that left the partner''s answer is not shown; its last amount is in balance_snapshots.';

CREATE VIEW IF NOT EXISTS `tieout`.balances_as_of 
(
    account     LowCardinality(String)    COMMENT 'Name of the account in TIEOUT_ACCOUNTS.',
    provider    LowCardinality(String)    COMMENT 'Name of the definition by which the balance was read.',
    currency    LowCardinality(String)    COMMENT 'Currency code in upper case.',
    available   Nullable(Decimal(76, 18)) COMMENT 'Free to use, in whole units of currency; NULL where the partner does not say.',
    locked      Nullable(Decimal(76, 18)) COMMENT 'Reserved by the partner, in whole units of currency; NULL where the partner does not say.',
    total       Nullable(Decimal(76, 18)) COMMENT 'As the partner states it, never added up; NULL where it does not say.',
    observed_at DateTime64(6, 'UTC')      COMMENT 'When the answer arrived.',
    payload     String                    COMMENT 'The partner''s JSON, byte for byte.'
)
AS SELECT
    account, provider, currency, available, locked, total, observed_at, payload
FROM `tieout`.balance_snapshots FINAL
WHERE observed_at <= {known_at:DateTime64(6, 'UTC')} AND mapped_at <= {known_at:DateTime64(6, 'UTC')} AND (account, as_of) IN (
    SELECT account, max(as_of) FROM `tieout`.balance_snapshots FINAL
    WHERE observed_at <= {known_at:DateTime64(6, 'UTC')} GROUP BY account)
ORDER BY observed_us DESC, mapped_at DESC
LIMIT 1 BY account, currency
COMMENT 'One row a balance: the last snapshot of each account that was known at an instant, as in balances_as_of(known_at = ''2026-07-01 00:00:00'').';

CREATE VIEW IF NOT EXISTS `tieout`.quarantine 
(
    account       LowCardinality(String)  COMMENT 'Name of the account in TIEOUT_ACCOUNTS.',
    resource      LowCardinality(String)  COMMENT 'deposits, trades, payments or balances.',
    provider      LowCardinality(String)  COMMENT 'Name of the definition by which the record was read.',
    record_id     String                  COMMENT 'Identifier that the partner gave; empty where none could be read.',
    reason        String                  COMMENT 'Which columns could not be filled, and why: by the last reading.',
    listed_under  LowCardinality(String)  COMMENT 'Value of the list''s filter under which the partner returned the record.',
    first_seen_at DateTime64(6, 'UTC')    COMMENT 'When the first answer that held this content arrived.',
    last_seen_at  DateTime64(6, 'UTC')    COMMENT 'When the last answer that held this content arrived.',
    payload       String                  COMMENT 'The partner''s JSON, byte for byte. Holds personal data.'
)
AS SELECT
    account, resource, argMax(provider, read_at) AS provider, record_id, argMax(reason, read_at) AS reason, any(listed_under) AS listed_under,
    min(first_at) AS first_seen_at, max(last_at) AS last_seen_at, any(payload) AS payload
FROM (
    SELECT account, resource, record_id, payload_hash, provider, reason, listed_under, payload, first_seen_at AS first_at, last_seen_at AS last_at,
        resolved_at, greatest(last_seen_at, mapped_at) AS read_at
    FROM `tieout`.rejected_records FINAL)
GROUP BY account, resource, record_id, payload_hash
HAVING max(resolved_at) < max(last_at)
COMMENT 'One row a record that a partner listed and that cannot be read: what tieout remap has not resolved.';

