"""Long runs on real data, each beside its baselines."""
