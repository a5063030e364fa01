-- Pairs and keys of runs that have more of them than are indexed, each behind the letter of its side; empty for nearly all.
ALTER TABLE runs ADD COLUMN IF NOT EXISTS more_pairs Array(String) CODEC(ZSTD(1)) AFTER output_pairs;

ALTER TABLE open_runs ADD COLUMN IF NOT EXISTS more_pairs Array(String) AFTER output_pairs;
