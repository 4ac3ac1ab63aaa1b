"""What any flash device must do, as tests: one clause a test, in words in its docstring.

    pytest --pyargs flash_emulator.contract --flash-device=mymodule:make_device

Needs pytest, which the package itself does not. ``README.md`` says how to bring a device.
"""
