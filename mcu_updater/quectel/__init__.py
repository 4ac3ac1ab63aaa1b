"""The Quectel module: AT grammar, client, and an emulated module with its Developer Center."""
