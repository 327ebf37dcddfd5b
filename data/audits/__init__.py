"""Audits: a rule set held against a city, kept whole, explained and compared."""
