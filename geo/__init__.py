"""Numbers and shapes: networks, catchments, coverage; touches no file, database or clock."""
