"""For tests of one's own code with pytest: the fixtures that ``pytest_plugin`` brings."""
