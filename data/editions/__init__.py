"""Publications: station maps that leave the service, edition by edition."""
