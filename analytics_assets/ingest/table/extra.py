"""A column that is not declared, and what dlt's stored schema keeps of it."""

from dataclasses import dataclass

from dlt.common.schema.typing import TColumnSchema

from analytics_assets.ingest.endpoint import DataType
from analytics_assets.ingest.table.names import shown

# hints of a column in dlt's schema: the API's name for it, the day it was first seen, that it holds a whole number
# which a double could not, and of a declared column the field that it is computed from
FIELD_HINT = "x-api-field"
FIRST_SEEN_HINT = "x-first-seen"
KEEPS_TYPE_HINT = "x-keeps-type"
COMPUTED_HINT = "x-computed-from"


@dataclass
class ExtraColumn:
    """A column that is not declared. ``values`` counts those that came in this pass, nulls aside."""

    field: str
    name: str
    data_type: DataType
    first_seen: str
    is_variant: bool = False
    is_new: bool = True
    can_widen: bool = True
    values: int = 0

    @property
    def hint(self) -> TColumnSchema:
        """The column as dlt's schema has it."""
        hint: TColumnSchema = {"name": self.name, "data_type": self.data_type, "nullable": True}
        if self.is_variant:
            hint["variant"] = True
        return hint | {FIELD_HINT: self.field, FIRST_SEEN_HINT: self.first_seen}  # type: ignore[return-value] # dlt's TypedDict knows only its own hints

    @property
    def description(self) -> str:
        """One line for the catalogue."""
        what = ""
        if self.is_variant:
            what = f"; values of {shown(self.field)} that are {self.data_type}"
        elif self.field != self.name:
            what = f"; the API calls it {shown(self.field)}"
        return f"Not declared; first seen {self.first_seen or 'before such days were kept'}{what}"
