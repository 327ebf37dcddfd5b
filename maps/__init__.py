"""Folium pages that need no other host."""
