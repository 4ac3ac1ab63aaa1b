"""The search for fatal power cuts."""
