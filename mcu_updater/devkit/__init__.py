"""What the tests of a folder of ``emit c`` use: its programs, on an emulated chip.

conftest.py and test_*.py of that folder are the user's; what is here is what they ask.
"""

from mcu_updater.devkit.device import NEW, OLD, Device, NotBuilt
from mcu_updater.devkit.hal_session import Cause, HalSession, sum_of
from mcu_updater.devkit.module import plan_of

__all__ = ["NEW", "OLD", "Cause", "Device", "HalSession", "NotBuilt", "plan_of", "sum_of"]
