"""Backups of a data directory: made while it serves, incremental, verified when they are restored."""
