"""FLASH_OPSR of U5 and H5: which operation a reset broke off. RM0456 Table 56."""

OPSR_CODES = {"program": 1, "erase": 3, "bank erase": 4, "mass erase": 5, "options": 6}
"""CODE_OP, bits 31:29: the manual's table has the operations, their numbers are from memory."""
