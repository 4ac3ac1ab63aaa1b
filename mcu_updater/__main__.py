"""``python -m mcu_updater`` is ``mcu-updater``."""

from mcu_updater.cli.entry import main

if __name__ == "__main__":
    main()
