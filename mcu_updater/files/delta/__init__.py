"""Makes deltas."""
