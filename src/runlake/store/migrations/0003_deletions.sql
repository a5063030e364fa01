-- Traces of deletions that are under way: one partition for each deletion, so that it is dropped in one step. What reads leave
-- out are the deletions that the ledger calls hidden; rows of any other are a selection that nobody committed.
CREATE TABLE IF NOT EXISTS hidden_traces (
  deletion_id UUID,
  tenant_id UUID CODEC(ZSTD(1)),
  trace_id UUID
)
ENGINE = MergeTree
PARTITION BY deletion_id
ORDER BY (tenant_id, trace_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, old_parts_lifetime = 30;

-- Traces deleted on purpose, and their runs: late writes for them are dropped while the row lasts.
CREATE TABLE IF NOT EXISTS deleted_ids (
  tenant_id UUID CODEC(ZSTD(1)),
  id UUID,
  deleted_at DateTime CODEC(ZSTD(1))
)
ENGINE = MergeTree
ORDER BY (tenant_id, id)
TTL deleted_at + INTERVAL 90 DAY
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, index_granularity = 512;

-- Replaced files hold deleted rows until they are erased. Everything is fsynced, so nothing needs them for long.
ALTER TABLE runs MODIFY SETTING old_parts_lifetime = 30, max_cleanup_delay_period = 30;

ALTER TABLE open_runs MODIFY SETTING old_parts_lifetime = 30, max_cleanup_delay_period = 30;

ALTER TABLE feedback MODIFY SETTING old_parts_lifetime = 30, max_cleanup_delay_period = 30;
