"""The configuration that the project began with, word for word but for the address, and the four tables it makes."""

import dlt
from dlt.extract.source import DltSource
from dlt.sources.rest_api import rest_api_source

DATASET = "seed"


def seed_source(url: str) -> DltSource:
    """Return the source of the seed's documentation."""
    return rest_api_source(
        {
            "client": {
                "base_url": url,
                "auth": {
                    "type": "api_key",
                    "name": "api_key",
                    "api_key": dlt.secrets["api_key"],
                    "location": "query",
                },
            },
            "resource_defaults": {"primary_key": "id", "write_disposition": "merge"},
            "resources": [
                {
                    "name": "media_insights",
                    "endpoint": {
                        "path": "/v1/media_insights",
                        "data_selector": "data",
                        "paginator": {"type": "offset", "limit": 100},
                    },
                },
                {
                    "name": "user_insights",
                    "endpoint": {
                        "path": "/v1/user_insights",
                        "data_selector": "data",
                        "paginator": {"type": "offset", "limit": 100},
                    },
                },
                {
                    "name": "stories",
                    "endpoint": {
                        "path": "/v1/stories",
                        "data_selector": "data",
                        "paginator": {"type": "offset", "limit": 100},
                    },
                },
                {
                    "name": "story_insights",
                    "endpoint": {
                        "path": "/v1/story_insights",
                        "data_selector": "data",
                        "paginator": {"type": "offset", "limit": 100},
                    },
                },
            ],
        }
    )
