-- A delete may begin while merges occupy all but one place of the small background pool; by default it would wait for a pool
-- that is idle, which under a steady load is never, and rows that nobody needs would pile up in `open_runs`.
ALTER TABLE open_runs MODIFY SETTING number_of_free_entries_in_pool_to_execute_mutation = 0;

ALTER TABLE runs MODIFY SETTING number_of_free_entries_in_pool_to_execute_mutation = 0;

ALTER TABLE feedback MODIFY SETTING number_of_free_entries_in_pool_to_execute_mutation = 0;
