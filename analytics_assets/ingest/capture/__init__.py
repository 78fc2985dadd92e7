"""A capture: what a vendor answered, without the key and without the data, for the sandbox to play."""
