"""Where things are, and how a script of the project is loaded that is in no package."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[1]
FIXTURES = ROOT / "fixtures"


def load_script(name: str, file: Path) -> ModuleType:
    """*file* as module *name*: a new one with every call, registered as its dataclasses need."""
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
