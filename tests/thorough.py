"""What ``make thorough`` tries in full; the ordinary run tries a part of it in each run."""

import os

THOROUGH = bool(os.environ.get("MCU_UPDATER_THOROUGH"))
