"""Base grids designed from files to a file, without a database."""
