"""What one endpoint does differently: ``[analytics_api.endpoints.<name>]``."""

import re
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from analytics_assets.ingest.endpoint import READ_AT, DataType
from analytics_assets.ingest.fields import check_path, is_plain
from analytics_assets.ingest.list_settings import ListSettings, NonEmpty, read_json

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_BEGINS_WITH_A_FIELD = re.compile(r"[^$*'\"\[\].]+([.\[]|$)")


class ColumnSettings(BaseModel):
    """A column of an endpoint: ``columns.media_id = { from = "mediaId", data_type = "text" }``, or only its type."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_type: DataType | None = None
    source: Annotated[NonEmpty | None, Field(alias="from")] = None
    description: NonEmpty | None = None
    references: NonEmpty | None = None
    ignore: bool = False
    hash: bool = False

    @field_validator("source")
    @classmethod
    def _can_be_read(cls, value: str | None) -> str | None:
        return value and check_path(value)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.ignore and self.model_fields_set != {"ignore"}:
            msg = "ignore = true leaves a field out, and goes with nothing else"
            raise ValueError(msg)
        if self.hash and self.data_type not in {None, "text"}:
            msg = "hash = true makes a text of each value, so data_type cannot be another one"
            raise ValueError(msg)
        if self.hash and self.source and not _BEGINS_WITH_A_FIELD.match(self.source):
            msg = "hash = true needs a path that begins with a field, as owner.mail does and $.owner.mail does not"
            raise ValueError(msg)
        return self


class EndpointSettings(ListSettings):
    """The endpoint's own path, id, cursor and columns, and its own values of the settings that stand for all endpoints.

    Those of the latter that are not given (``model_fields_set``) are what stands for all.
    """

    enabled: bool = True
    path: Annotated[str | None, Field(pattern="^/")] = None
    cursor: NonEmpty | None = None
    id: NonEmpty | tuple[NonEmpty, ...] | None = None
    description: NonEmpty | None = None
    unnest: Annotated[str, Field(pattern=r"^[^.\[\]$*]*$")] = ""
    declared_columns: Literal["all", "only mine"] = "all"
    columns: dict[NonEmpty, ColumnSettings] = Field(default_factory=dict)

    @field_validator("id", mode="before")
    @classmethod
    def _id_from_environment(cls, value: object) -> object:
        """Accept the JSON list that an environment variable has to be where the id is several fields."""
        if not (isinstance(value, str) and value.strip().startswith("[")):
            return value
        return read_json(value, list, 'a field, or a JSON list of fields, such as ["account", "day"]')

    @field_validator("columns", mode="before")
    @classmethod
    def _types_alone(cls, value: object) -> object:
        """Accept the JSON object that an environment variable has to be, and the type alone in the place of a table."""
        if isinstance(value, str):
            value = read_json(value, dict, 'a JSON object, such as {"likes": "bigint", "caption": {"ignore": true}}')
        if not isinstance(value, dict):
            return value
        return {name: {"data_type": one} if isinstance(one, str) else one for name, one in value.items()}

    @field_validator("columns")
    @classmethod
    def _have_names(cls, value: dict[str, ColumnSettings]) -> dict[str, ColumnSettings]:
        for name, column in value.items():
            if column.ignore and not is_plain(name):
                msg = f"{name}: ignore = true leaves out a field of the row, not a part of one"
                raise ValueError(msg)
            if not column.ignore and (not _NAME.fullmatch(name) or name == READ_AT.name):
                msg = f"{name}: a column is lower case letters, digits and underscores; from says what the API calls it"
                raise ValueError(msg)
        return value
