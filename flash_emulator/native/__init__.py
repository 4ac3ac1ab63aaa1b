"""Bootloaders in C, compiled for this machine, as subjects of a search.

    from flash_emulator.explore import explore
    from flash_emulator.native import NativeSubject

    subject = NativeSubject(["boot.c", "crc.c"], verdict, include=["inc"], defines={"SLOTS": 2})
    report = explore(flash, subject)

The C code includes ``mcu_flash.h`` (in the folder ``INCLUDE``), calls ``flash_read``,
``flash_program``, ``flash_erase``, ``flash_match``, and has a function ``int boot(void)``. It is
for logic: quicker than any emulated CPU, and nothing of the MCU is there but its flash. What the
machine code does is another question.

Needs the extra ``native`` (``pip install mcu-updater[native]``), a C compiler (gcc or clang) and a
system whose libraries are ELF files, such as Linux.

**What is assumed.** The code keeps no state but ``.data`` and ``.bss``: what the C library, files
or threads keep is not put back at a boot. It does not depend on the width of ``long``, ``size_t``
and pointers, or on the alignment and byte order of the MCU beyond what this machine has alike. A
loop that never ends is found by a count of basic blocks, a recursion by the size of the stack.

How a boot is left (``c/glue.c``): what a hook raises (a cut, or the end of the search's interest)
is kept in Python, the hook returns, and the glue jumps out of the C code; then it is raised again.
"""

from flash_emulator.native.build import INCLUDE
from flash_emulator.native.errors import NativeError
from flash_emulator.native.library import Budget
from flash_emulator.native.subject import NativeSubject

__all__ = ["INCLUDE", "Budget", "NativeError", "NativeSubject"]
