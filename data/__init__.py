"""Layers and files: PostGIS tables, importers, the sample city, everything kept."""
