-- The thread that a judgement is about, when it is about no single run of it.
ALTER TABLE feedback ADD COLUMN IF NOT EXISTS thread_id String CODEC(ZSTD(1)) AFTER trace_id;
