"""Numbers and shapes: networks, catchments, coverage. Imports nothing of ours, touches no file, database or clock."""
