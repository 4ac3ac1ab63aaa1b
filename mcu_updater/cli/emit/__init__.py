"""The updater as sources for the device itself."""
