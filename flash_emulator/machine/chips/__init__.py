"""What stands around flash on each family of chips: tables, and what reads them."""
