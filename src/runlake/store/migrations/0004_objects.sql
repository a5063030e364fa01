-- Payloads of a run of which some are objects: JSON by field, each with digest and size; inputs and outputs that are not
-- objects as they are. The text of inputs and outputs is in their own columns all the same, for conditions alone.
ALTER TABLE runs ADD COLUMN IF NOT EXISTS objects String CODEC(ZSTD(1)) AFTER attachments;

ALTER TABLE open_runs ADD COLUMN IF NOT EXISTS objects String AFTER attachments;
