"""Records between storage and models: sources, Parquet parts, joins, splits."""
