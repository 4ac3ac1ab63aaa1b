"""Commands that serve chips, modules and centers."""
