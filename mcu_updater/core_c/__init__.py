"""The core in C: what ``mcu_updater.core`` and the AT client do, for the microcontroller itself.

``src`` has the C sources, which are emitted as they are; ``hal`` what each chip adds. Generated for
each part and strategy are ``fwu_layout`` (``layout``), ``fwu_tables`` (``tables``: from those in
Python, so that they cannot differ) and ``fwu_config.h`` (``config``). ``native`` compiles all of it
for this machine, for tests and searches.
"""
