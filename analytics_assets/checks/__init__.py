"""What a load says of its own quality, as asset checks: one result per check and day."""
