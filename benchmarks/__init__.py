"""Quality and memory tasks on real data; run by make quality."""
