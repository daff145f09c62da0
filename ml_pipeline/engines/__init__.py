"""Where sums over partitions run."""
