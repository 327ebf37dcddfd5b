"""Importers: one file a kind of source; bad rows are reported, good rows land together."""
