"""Facts of silicon: what a part is, its file, its times, and what classes have in common."""
