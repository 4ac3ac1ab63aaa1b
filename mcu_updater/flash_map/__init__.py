"""Where slots and journals lie on a part, and how its banks are exchanged. Also of real chips."""
