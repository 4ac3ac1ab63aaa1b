"""The cells: what they hold, how a cut leaves them, and what may be programmed onto them."""
