-- What analysts query: plain types, one row a record, no FINAL needed.
--
-- A question about one account and one day must not read the others. The engine takes conditions below a LIMIT BY, and
-- to the partitions, if they are on its columns: created_at is one of them, and equal keys are looked for inside
-- partitions only. That is right for records whose versions all have one created_at. The others, of which each has a
-- version that says so (moved), are few: they are read apart, whole, and by their identifiers.

CREATE VIEW IF NOT EXISTS {{db}}.deposits {{on_cluster}}
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
FROM {{db}}.deposit_versions FINAL
WHERE (account, deposit_id) NOT IN (SELECT account, deposit_id FROM {{db}}.deposit_versions WHERE moved)
ORDER BY version DESC, first_seen_at DESC, mapped_at DESC
LIMIT 1 BY account, deposit_id, created_at
SETTINGS do_not_merge_across_partitions_select_final = 1
UNION ALL
SELECT
    account, provider, deposit_id, status, provider_status, currency, amount, fee, network, txid,
    customer_id, reference, created_at, updated_at, deleted_at, first_seen_at, version, payload
FROM {{db}}.deposit_versions FINAL
WHERE (account, deposit_id) IN (SELECT account, deposit_id FROM {{db}}.deposit_versions WHERE moved)
ORDER BY version DESC, first_seen_at DESC, mapped_at DESC
LIMIT 1 BY account, deposit_id
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'One row a deposit that the partner ever listed: its current version. What has left the list has a deleted_at.';

CREATE VIEW IF NOT EXISTS {{db}}.deposits_as_of {{on_cluster}}
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
FROM {{db}}.deposit_versions FINAL
WHERE (account, deposit_id) NOT IN (SELECT account, deposit_id FROM {{db}}.deposit_versions WHERE moved) AND first_seen_at <= {known_at:DateTime64(6, 'UTC')}
    AND mapped_at <= {known_at:DateTime64(6, 'UTC')}
ORDER BY version DESC, first_seen_at DESC, mapped_at DESC
LIMIT 1 BY account, deposit_id, created_at
SETTINGS do_not_merge_across_partitions_select_final = 1
UNION ALL
SELECT
    account, provider, deposit_id, status, provider_status, currency, amount, fee, network, txid,
    customer_id, reference, created_at, updated_at, deleted_at, first_seen_at, version, payload
FROM {{db}}.deposit_versions FINAL
WHERE (account, deposit_id) IN (SELECT account, deposit_id FROM {{db}}.deposit_versions WHERE moved) AND first_seen_at <= {known_at:DateTime64(6, 'UTC')}
    AND mapped_at <= {known_at:DateTime64(6, 'UTC')}
ORDER BY version DESC, first_seen_at DESC, mapped_at DESC
LIMIT 1 BY account, deposit_id
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'One row a deposit: the version that was known at an instant, as in deposits_as_of(known_at = ''2026-07-01 00:00:00'').';

CREATE VIEW IF NOT EXISTS {{db}}.trades {{on_cluster}}
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
FROM {{db}}.trade_versions FINAL
WHERE (account, trade_id) NOT IN (SELECT account, trade_id FROM {{db}}.trade_versions WHERE moved)
ORDER BY version DESC, first_seen_at DESC, mapped_at DESC
LIMIT 1 BY account, trade_id, created_at
SETTINGS do_not_merge_across_partitions_select_final = 1
UNION ALL
SELECT
    account, provider, trade_id, status, provider_status, from_currency, from_amount, to_currency,
    to_amount, fee, fee_currency, deposit_id, created_at, updated_at, deleted_at, first_seen_at,
    version, payload
FROM {{db}}.trade_versions FINAL
WHERE (account, trade_id) IN (SELECT account, trade_id FROM {{db}}.trade_versions WHERE moved)
ORDER BY version DESC, first_seen_at DESC, mapped_at DESC
LIMIT 1 BY account, trade_id
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'One row a trade that the partner ever listed: its current version. What has left the list has a deleted_at.';

CREATE VIEW IF NOT EXISTS {{db}}.trades_as_of {{on_cluster}}
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
FROM {{db}}.trade_versions FINAL
WHERE (account, trade_id) NOT IN (SELECT account, trade_id FROM {{db}}.trade_versions WHERE moved) AND first_seen_at <= {known_at:DateTime64(6, 'UTC')}
    AND mapped_at <= {known_at:DateTime64(6, 'UTC')}
ORDER BY version DESC, first_seen_at DESC, mapped_at DESC
LIMIT 1 BY account, trade_id, created_at
SETTINGS do_not_merge_across_partitions_select_final = 1
UNION ALL
SELECT
    account, provider, trade_id, status, provider_status, from_currency, from_amount, to_currency,
    to_amount, fee, fee_currency, deposit_id, created_at, updated_at, deleted_at, first_seen_at,
    version, payload
FROM {{db}}.trade_versions FINAL
WHERE (account, trade_id) IN (SELECT account, trade_id FROM {{db}}.trade_versions WHERE moved) AND first_seen_at <= {known_at:DateTime64(6, 'UTC')}
    AND mapped_at <= {known_at:DateTime64(6, 'UTC')}
ORDER BY version DESC, first_seen_at DESC, mapped_at DESC
LIMIT 1 BY account, trade_id
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'One row a trade: the version that was known at an instant, as in trades_as_of(known_at = ''2026-07-01 00:00:00'').';

CREATE VIEW IF NOT EXISTS {{db}}.payments {{on_cluster}}
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
FROM {{db}}.payment_versions FINAL
WHERE (account, payment_id) NOT IN (SELECT account, payment_id FROM {{db}}.payment_versions WHERE moved)
ORDER BY version DESC, first_seen_at DESC, mapped_at DESC
LIMIT 1 BY account, payment_id, created_at
SETTINGS do_not_merge_across_partitions_select_final = 1
UNION ALL
SELECT
    account, provider, payment_id, status, provider_status, currency, amount, received_currency,
    received_amount, rate, fee, fee_currency, reference, created_at, updated_at, deleted_at,
    first_seen_at, version, payload
FROM {{db}}.payment_versions FINAL
WHERE (account, payment_id) IN (SELECT account, payment_id FROM {{db}}.payment_versions WHERE moved)
ORDER BY version DESC, first_seen_at DESC, mapped_at DESC
LIMIT 1 BY account, payment_id
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'One row a payment that the partner ever listed: its current version. What has left the list has a deleted_at.';

CREATE VIEW IF NOT EXISTS {{db}}.payments_as_of {{on_cluster}}
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
FROM {{db}}.payment_versions FINAL
WHERE (account, payment_id) NOT IN (SELECT account, payment_id FROM {{db}}.payment_versions WHERE moved) AND first_seen_at <= {known_at:DateTime64(6, 'UTC')}
    AND mapped_at <= {known_at:DateTime64(6, 'UTC')}
ORDER BY version DESC, first_seen_at DESC, mapped_at DESC
LIMIT 1 BY account, payment_id, created_at
SETTINGS do_not_merge_across_partitions_select_final = 1
UNION ALL
SELECT
    account, provider, payment_id, status, provider_status, currency, amount, received_currency,
    received_amount, rate, fee, fee_currency, reference, created_at, updated_at, deleted_at,
    first_seen_at, version, payload
FROM {{db}}.payment_versions FINAL
WHERE (account, payment_id) IN (SELECT account, payment_id FROM {{db}}.payment_versions WHERE moved) AND first_seen_at <= {known_at:DateTime64(6, 'UTC')}
    AND mapped_at <= {known_at:DateTime64(6, 'UTC')}
ORDER BY version DESC, first_seen_at DESC, mapped_at DESC
LIMIT 1 BY account, payment_id
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'One row a payment: the version that was known at an instant, as in payments_as_of(known_at = ''2026-07-01 00:00:00'').';

CREATE VIEW IF NOT EXISTS {{db}}.balances {{on_cluster}}
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
FROM {{db}}.balance_snapshots FINAL
WHERE (account, as_of) IN (SELECT account, max(as_of) FROM {{db}}.balance_snapshots GROUP BY account)
ORDER BY observed_us DESC, mapped_at DESC
LIMIT 1 BY account, currency
COMMENT 'One row a balance: the last snapshot of each account. A currency that left the partner''s answer is not shown; its last amount is in balance_snapshots.';

CREATE VIEW IF NOT EXISTS {{db}}.balances_as_of {{on_cluster}}
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
FROM {{db}}.balance_snapshots FINAL
WHERE observed_at <= {known_at:DateTime64(6, 'UTC')} AND mapped_at <= {known_at:DateTime64(6, 'UTC')} AND (account, as_of) IN (
    SELECT account, max(as_of) FROM {{db}}.balance_snapshots FINAL
    WHERE observed_at <= {known_at:DateTime64(6, 'UTC')} GROUP BY account)
ORDER BY observed_us DESC, mapped_at DESC
LIMIT 1 BY account, currency
COMMENT 'One row a balance: the last snapshot of each account that was known at an instant, as in balances_as_of(known_at = ''2026-07-01 00:00:00'').';

CREATE VIEW IF NOT EXISTS {{db}}.quarantine {{on_cluster}}
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
    FROM {{db}}.rejected_records FINAL)
GROUP BY account, resource, record_id, payload_hash
HAVING max(resolved_at) < max(last_at)
COMMENT 'One row a record that a partner listed and that cannot be read: what tieout remap has not resolved.';
