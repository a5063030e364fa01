"""``runlake doctor``: looks at a data directory, stopped or in use, and says what is wrong, why, and what to do."""
