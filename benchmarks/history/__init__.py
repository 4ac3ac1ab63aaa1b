"""What a few fixed pieces of work cost, commit by commit."""
