"""The API key stays between us and the API, and what comes over the wire is bounded and verified."""
