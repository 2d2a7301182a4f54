-- Every version of every record. A version is written by one run, when a record is first seen or has changed. That
-- run may write its row again after a lost answer, with the same values, and min and any of equal values are that
-- value: nothing changes. The columns outside the sorting key are no function of the key alone: run_id and
-- first_seen_at tell of the run that wrote the version, and status and the other typed columns are read from the
-- payload by the definition that was in force then. tieout remap adds a row for each version that a later definition
-- reads otherwise: with the same version and payload_hash, and a mapped_at. Of those rows the one with the latest
-- mapped_at counts. It may lie in another partition, if it is created_at that is read otherwise; its key is its own.
--
-- A record that left its partner's list has a tombstone: a version of its own, with the columns of the one before,
-- deleted_at, the evidence, and another payload_hash. Nothing of a record is ever removed.

CREATE TABLE IF NOT EXISTS {{db}}.deposit_versions {{on_cluster}}
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
ENGINE = {{sharded account, deposit_id}}AggregatingMergeTree
PARTITION BY toYYYYMM(created_at)
ORDER BY (account, deposit_id, version, payload_hash, mapped_at)
SETTINGS {{settings}}
COMMENT 'Every version of every deposit. Query the view deposits unless history is wanted.';

CREATE TABLE IF NOT EXISTS {{db}}.trade_versions {{on_cluster}}
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
ENGINE = {{sharded account, trade_id}}AggregatingMergeTree
PARTITION BY toYYYYMM(created_at)
ORDER BY (account, trade_id, version, payload_hash, mapped_at)
SETTINGS {{settings}}
COMMENT 'Every version of every trade. Query the view trades unless history is wanted.';

CREATE TABLE IF NOT EXISTS {{db}}.payment_versions {{on_cluster}}
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
ENGINE = {{sharded account, payment_id}}AggregatingMergeTree
PARTITION BY toYYYYMM(created_at)
ORDER BY (account, payment_id, version, payload_hash, mapped_at)
SETTINGS {{settings}}
COMMENT 'Every version of every payment. Query the view payments unless history is wanted.';

CREATE TABLE IF NOT EXISTS {{db}}.balance_snapshots {{on_cluster}}
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
ENGINE = {{sharded account, currency}}ReplacingMergeTree(observed_us)
PARTITION BY toYYYYMM(as_of)
ORDER BY (account, currency, as_of, mapped_at)
SETTINGS {{settings}}
COMMENT 'What each account held when it was observed. Snapshots are states: never add them up over time.';

CREATE TABLE IF NOT EXISTS {{db}}.rejected_records {{on_cluster}}
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
ENGINE = {{sharded account, resource}}AggregatingMergeTree
ORDER BY (account, resource, record_id, payload_hash, mapped_at)
SETTINGS {{settings}}
COMMENT 'Every record that partners listed and that did not fit its table, kept whole with the reason. Query the view quarantine for what is still unread.';

-- When each version was seen, on every night: too often for the tables of versions, which hold the payloads. The
-- partition is a function of the key, as rows of two partitions never merge, and a batch of a stream lies in one. A
-- record that is seen again after years is a row in a small new part. Parts merge with parts of like size, so the
-- big ones are rewritten as often as a stream grows by their size, and not every night.

CREATE TABLE IF NOT EXISTS {{db}}.record_sightings {{on_cluster}}
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
ENGINE = {{sharded account, resource, record_id}}AggregatingMergeTree
PARTITION BY (account, resource)
ORDER BY (account, resource, record_id, version)
SETTINGS {{settings}}
COMMENT 'When each version of each record was seen first and last in its partner''s list: what certificates of presence rest on.';
