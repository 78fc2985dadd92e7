"""What `make check` asks an endpoint, tried on APIs that misunderstand it."""
