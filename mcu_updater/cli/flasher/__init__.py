"""Commands of a chip behind its boot ROM."""
