"""A local stand-in for the analytics API: a real HTTP server with made-up rows and faults on demand."""
