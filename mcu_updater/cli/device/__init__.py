"""Commands of one device: boards, updates, and watching a module."""
