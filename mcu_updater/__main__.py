"""``python -m mcu_updater`` is ``mcu-updater``."""

from mcu_updater.start import main

if __name__ == "__main__":
    main()
