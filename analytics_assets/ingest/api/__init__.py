"""From a window to the pages of the API: requests, retries, redaction, pagination. Knows no table and no warehouse."""
