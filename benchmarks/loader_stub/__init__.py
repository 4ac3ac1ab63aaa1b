"""An emulated chip that runs the loader stub's machine code: for its tests, and for its figures.

See docs/explanation/loader-stub.md.
"""
