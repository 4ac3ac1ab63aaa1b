"""Makes evidence packs: copies the inputs, searches, has another process check the certificate,
writes what ``flash_emulator.evidence`` makes of that, and signs it."""
