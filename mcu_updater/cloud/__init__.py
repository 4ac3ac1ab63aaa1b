"""The Developer Center: for one device, or shared by many."""
