"""The module, emulated: what it answers, when, and what goes wrong with it."""
