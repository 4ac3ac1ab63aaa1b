"""Commands of images, packages and deltas."""
