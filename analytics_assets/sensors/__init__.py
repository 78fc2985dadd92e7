"""What looks by itself whether there is something to load."""
