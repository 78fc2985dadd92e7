"""Vendors that are not the sandbox's: shapes of answers, config files, servers of others."""
