-- Every statement can be repeated, so a start that died half way through is finished by the next one.
-- Finished runs: one wide immutable row each. A changed run is a new row whose `replaces` names the version it replaces.
-- Times are microseconds UTC. Absent payloads are empty text; absent ids are the zero UUID.
CREATE TABLE IF NOT EXISTS runs (
  tenant_id UUID CODEC(ZSTD(1)),
  session_id UUID CODEC(ZSTD(1)),
  start_time DateTime64(6, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
  id UUID,
  version UInt64 CODEC(DoubleDelta, ZSTD(1)),
  replaces UInt64 CODEC(T64, ZSTD(1)),
  trace_id UUID CODEC(ZSTD(1)),
  parent_run_id UUID CODEC(ZSTD(1)),
  is_root Bool,
  dotted_order String CODEC(ZSTD(1)),
  name LowCardinality(String),
  run_type LowCardinality(String),
  status LowCardinality(String),
  end_time Nullable(DateTime64(6, 'UTC')) CODEC(Delta, ZSTD(1)),
  duration_us Nullable(Int64) CODEC(T64, ZSTD(1)),
  first_token_time Nullable(DateTime64(6, 'UTC')) CODEC(ZSTD(1)),
  thread_id String CODEC(ZSTD(1)),
  reference_example_id UUID CODEC(ZSTD(1)),
  has_error Bool,
  error String CODEC(ZSTD(1)),
  tags Array(String) CODEC(ZSTD(1)),
  metadata_keys Array(LowCardinality(String)) CODEC(ZSTD(1)),
  metadata_values Array(String) CODEC(ZSTD(1)),
  metadata_pairs Array(String) CODEC(ZSTD(1)),
  input_pairs Array(String) CODEC(ZSTD(1)),
  output_pairs Array(String) CODEC(ZSTD(1)),
  model LowCardinality(String),
  provider LowCardinality(String),
  prompt_tokens UInt64 CODEC(T64, ZSTD(1)),
  completion_tokens UInt64 CODEC(T64, ZSTD(1)),
  total_tokens UInt64 CODEC(T64, ZSTD(1)),
  prompt_cost Nullable(Decimal(38, 12)) CODEC(ZSTD(1)),
  completion_cost Nullable(Decimal(38, 12)) CODEC(ZSTD(1)),
  total_cost Nullable(Decimal(38, 12)) CODEC(ZSTD(1)),
  card String CODEC(ZSTD(1)),
  inputs_preview String CODEC(ZSTD(1)),
  outputs_preview String CODEC(ZSTD(1)),
  inputs String CODEC(ZSTD(1)),
  outputs String CODEC(ZSTD(1)),
  extra String CODEC(ZSTD(1)),
  events String CODEC(ZSTD(1)),
  serialized String CODEC(ZSTD(1)),
  attachments String CODEC(ZSTD(1)),
  origin String CODEC(ZSTD(1)),
  search_text String ALIAS arrayElement(arrayMap(
    text -> if(isValidASCII(text), lower(text), replaceRegexpAll(replaceRegexpAll(lowerUTF8(text),
      '([\\p{Han}\\p{Hiragana}\\p{Katakana}\\p{Hangul}\\p{Thai}\\p{So}])', ' \\1 '), '[^\\x00-\\x7f\\p{L}\\p{M}\\p{N}\\p{So}]', ' ')),
    arrayMap(
      payload -> concat(
        if(position(payload, '\\u') = 0, replaceRegexpAll(payload, '\\\\.', ' '),
          if(JSONExtractString(concat('["', replaceRegexpAll(replaceAll(payload, '\\"', ' '), '["\\x00-\\x1f]', ' '), '"]'), 1) != '',
            JSONExtractString(concat('["', replaceRegexpAll(replaceAll(payload, '\\"', ' '), '["\\x00-\\x1f]', ' '), '"]'), 1),
            replaceRegexpAll(payload, '\\\\(u[0-9a-fA-F]{4}|.)', ' '))),
        ' ', error, ' ', name, ' ', arrayStringConcat(tags, ' '), ' ', arrayStringConcat(metadata_keys, ' '), ' ',
        arrayStringConcat(metadata_values, ' ')),
      [concat(inputs, ' ', outputs)])), 1),
  INDEX id_index id TYPE bloom_filter(0.001) GRANULARITY 4,
  INDEX trace_id_index trace_id TYPE bloom_filter(0.001) GRANULARITY 4,
  INDEX thread_id_index thread_id TYPE bloom_filter(0.01) GRANULARITY 4,
  INDEX parent_run_id_index parent_run_id TYPE bloom_filter(0.01) GRANULARITY 4,
  INDEX reference_example_id_index reference_example_id TYPE bloom_filter(0.01) GRANULARITY 4,
  INDEX replaces_index replaces TYPE minmax GRANULARITY 16,
  INDEX search_index search_text TYPE text(tokenizer = 'splitByNonAlpha'),
  INDEX tags_index tags TYPE text(tokenizer = 'array'),
  INDEX metadata_pairs_index metadata_pairs TYPE text(tokenizer = 'array'),
  INDEX input_pairs_index input_pairs TYPE text(tokenizer = 'array'),
  INDEX output_pairs_index output_pairs TYPE text(tokenizer = 'array')
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(start_time)
ORDER BY (tenant_id, session_id, start_time, id)
SETTINGS index_granularity = 8192, index_granularity_bytes = 262144, min_bytes_for_wide_part = 10485760,
  fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, replace_long_file_name_to_hash = 1;

-- Runs that are not complete: the whole latest state of each, appended again at every change. The highest version of an id
-- is its state; status 'settled' means "look in runs". No text indexes: the table stays small.
CREATE TABLE IF NOT EXISTS open_runs
ENGINE = MergeTree
PARTITION BY intDiv(version, 15000000)
ORDER BY (tenant_id, id, version)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 256
EMPTY AS SELECT * FROM runs;

ALTER TABLE open_runs ADD COLUMN IF NOT EXISTS search_text String ALIAS arrayElement(arrayMap(
    text -> if(isValidASCII(text), lower(text), replaceRegexpAll(replaceRegexpAll(lowerUTF8(text),
      '([\\p{Han}\\p{Hiragana}\\p{Katakana}\\p{Hangul}\\p{Thai}\\p{So}])', ' \\1 '), '[^\\x00-\\x7f\\p{L}\\p{M}\\p{N}\\p{So}]', ' ')),
    arrayMap(
      payload -> concat(
        if(position(payload, '\\u') = 0, replaceRegexpAll(payload, '\\\\.', ' '),
          if(JSONExtractString(concat('["', replaceRegexpAll(replaceAll(payload, '\\"', ' '), '["\\x00-\\x1f]', ' '), '"]'), 1) != '',
            JSONExtractString(concat('["', replaceRegexpAll(replaceAll(payload, '\\"', ' '), '["\\x00-\\x1f]', ' '), '"]'), 1),
            replaceRegexpAll(payload, '\\\\(u[0-9a-fA-F]{4}|.)', ' '))),
        ' ', error, ' ', name, ' ', arrayStringConcat(tags, ' '), ' ', arrayStringConcat(metadata_keys, ' '), ' ',
        arrayStringConcat(metadata_values, ' ')),
      [concat(inputs, ' ', outputs)])), 1);

-- Feedback: the highest version of an id wins, `deleted` hides it.
CREATE TABLE IF NOT EXISTS feedback (
  tenant_id UUID CODEC(ZSTD(1)),
  key LowCardinality(String),
  run_id UUID,
  id UUID,
  version UInt64 CODEC(DoubleDelta, ZSTD(1)),
  deleted UInt8,
  session_id UUID CODEC(ZSTD(1)),
  trace_id UUID CODEC(ZSTD(1)),
  start_time Nullable(DateTime64(6, 'UTC')) CODEC(ZSTD(1)),
  score Nullable(Float64) CODEC(ZSTD(1)),
  value String CODEC(ZSTD(1)),
  comment String CODEC(ZSTD(1)),
  correction String CODEC(ZSTD(1)),
  source_type LowCardinality(String),
  source String CODEC(ZSTD(1)),
  comparative_experiment_id UUID CODEC(ZSTD(1)),
  feedback_group_id UUID CODEC(ZSTD(1)),
  error Bool,
  extra String CODEC(ZSTD(1)),
  feedback_config String CODEC(ZSTD(1)),
  created_at DateTime64(6, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
  modified_at DateTime64(6, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
  INDEX id_index id TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX run_id_index run_id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version, deleted)
ORDER BY (tenant_id, key, run_id, id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 1024;
