-- What the roles of roles.sql need more on a self-run cluster: ON CLUSTER, and tables that read from other nodes.
-- The writer needs neither: the migrator has made the Distributed tables that it writes to.

GRANT CLUSTER ON *.* TO tieout_migrator;
GRANT REMOTE ON *.* TO tieout_migrator;
GRANT TABLE ENGINE ON ReplicatedMergeTree TO tieout_migrator;
GRANT TABLE ENGINE ON ReplicatedAggregatingMergeTree TO tieout_migrator;
GRANT TABLE ENGINE ON ReplicatedReplacingMergeTree TO tieout_migrator;
GRANT TABLE ENGINE ON Distributed TO tieout_migrator;
