"""What one endpoint does differently: ``[analytics_api.endpoints.<name>]``."""

from typing import Annotated

from pydantic import Field, field_validator

from analytics_assets.ingest.list_settings import ListSettings, NonEmpty, read_json


class EndpointSettings(ListSettings):
    """The endpoint's own path, cursor and id, and its own values of the settings that stand for all endpoints.

    Those of the latter that are not given (``model_fields_set``) are what stands for all.
    """

    path: Annotated[str | None, Field(pattern="^/")] = None
    cursor: NonEmpty | None = None
    id: NonEmpty | tuple[NonEmpty, ...] | None = None

    @field_validator("id", mode="before")
    @classmethod
    def _id_from_environment(cls, value: object) -> object:
        """Accept the JSON list that an environment variable has to be where the id is several fields."""
        if not (isinstance(value, str) and value.strip().startswith("[")):
            return value
        return read_json(value, list, 'a field, or a JSON list of fields, such as ["account", "day"]')
