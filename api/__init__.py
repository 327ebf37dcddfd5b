"""The service: HTTP routes and the command line."""
