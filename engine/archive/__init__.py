"""The archive: all accepted events as Parquet files, by day, for questions that the outbox does not answer."""
