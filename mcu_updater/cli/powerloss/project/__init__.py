"""A project's own campaign, as its configuration file has it: docs/reference/configuration.md."""
