"""How a list of the API is asked for and read, which each endpoint may do in a way of its own."""

import contextlib
import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

NewColumns = Literal["add", "ignore", "fail"]
NonEmpty = Annotated[str, Field(min_length=1)]


def read_json(text: str, kind: type, what: str) -> object:
    """Read JSON of a kind; raises ``ValueError`` saying what it has to be."""
    with contextlib.suppress(ValueError):
        value = json.loads(text)
        if isinstance(value, kind):
            return value
    raise ValueError(f"must be {what}")


class ListSettings(BaseModel):
    """Settings that stand for all endpoints under ``[analytics_api]``, and for one in its own section."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_selector: NonEmpty = Field(default="data", description="JSONPath of the rows in a response")
    total_selector: str = Field(
        default="total",
        description="JSONPath or `header:X-Total-Count` of the number of rows in the window; empty: the API gives none",
    )
    pagination: Literal["offset", "page", "cursor", "link"] = Field(
        default="offset",
        description="How the next page is asked for, and so how far a window can be proven: "
        "[docs/vendors/pagination.md](docs/vendors/pagination.md)",
    )
    offset_param: NonEmpty = Field(default="offset", description="Name of the offset parameter")
    limit_param: str = Field(
        default="limit", description="Name of the page size parameter; empty: the API has a page size of its own"
    )
    page_param: NonEmpty = Field(default="page", description="`page`: name of the page number's parameter")
    first_page: Literal[0, 1] = Field(default=1, description="`page`: number of the first page, 0 or 1")
    total_pages_selector: str = Field(
        default="", description="`page`: JSONPath or `header:…` of the number of pages; empty: the API gives none"
    )
    cursor_selector: NonEmpty = Field(
        default="paging.cursors.after", description="`cursor`: JSONPath or `header:…` of the next page's cursor"
    )
    cursor_param: NonEmpty = Field(default="after", description="`cursor`: name of the parameter that takes it")
    next_link_selector: NonEmpty = Field(
        default="paging.next",
        description="`link`: JSONPath or `header:Link` of the next page's address, on the host of `base_url`",
    )
    page_size: int = Field(default=100, ge=1, le=10_000, description="Rows asked for per page")
    shrink_on: tuple[NonEmpty, ...] = Field(
        default=("reduce the amount of data",),
        description="Texts in a 400, or in a 500, 502, 503 or 504 after its retries, by which the API asks for less "
        "data, as a 413 does: [pages are made smaller, then windows](docs/vendors/README.md#less-data-at-once)",
    )
    window_start_param: str = Field(
        default="since",
        description="Name of the window's start parameter; `filter[ts][_gte]` works; empty: none",
    )
    window_end_param: str = Field(default="until", description="Name of the window's end parameter")
    window_format: Literal["datetime", "date", "epoch"] = Field(
        default="datetime", description="`datetime`: 2025-01-03T00:00:00Z; `date`: 2025-01-03; `epoch`: seconds"
    )
    window_end: Literal["exclusive", "inclusive"] = Field(
        default="exclusive", description="Whether the API leaves out or returns rows at the window's end"
    )
    extra_params: dict[str, str] = Field(default_factory=dict, description="Fixed parameters added to every request")
    rejected_rows: Literal["set_aside", "fail"] = Field(
        default="set_aside",
        description="Rows that cannot be loaded as declared: `<endpoint>__rejected` takes them, or the run fails",
    )
    new_columns: NewColumns = Field(
        default="add",
        description="Fields that are neither declared nor in the table: `add` columns, `ignore` them, `fail` the run",
    )
    lookback_days: int = Field(
        default=0,
        ge=0,
        le=366,
        description="Days before yesterday that the daily schedule loads again, for an API that restates its figures",
    )
    max_window_days: int = Field(
        default=31,
        ge=1,
        le=3660,
        description="Longest window asked for; a longer range is loaded in slices, and each that has arrived stays",
    )

    @property
    def list_parameters(self) -> list[str]:
        """The names of the query parameters that ask for a page of a window."""
        of_the_page = {"offset": self.offset_param, "page": self.page_param, "cursor": self.cursor_param}
        window = [self.window_start_param, self.window_end_param] if self.has_window else []
        return [*filter(None, [of_the_page.get(self.pagination), self.limit_param]), *window, *self.extra_params]

    @property
    def has_window(self) -> bool:
        """Whether a list can be asked for by a window; one that cannot is read whole each time."""
        return bool(self.window_start_param)

    @field_validator("first_page", mode="before")
    @classmethod
    def _is_a_number(cls, value: object) -> object:
        """Accept the text that an environment variable is."""
        return int(value) if value in {"0", "1"} else value

    @field_validator("shrink_on", mode="before")
    @classmethod
    def _texts_from_environment(cls, value: object) -> object:
        """Accept the JSON list that an environment variable has to be."""
        what = 'a JSON list of texts, such as ["reduce the amount of data", "query too large"]'
        return read_json(value, list, what) if isinstance(value, str) else value

    @field_validator("extra_params", mode="before")
    @classmethod
    def _from_environment(cls, value: object) -> object:
        """Accept the JSON object that an environment variable has to be."""
        what = 'a JSON object, such as {"fields": "all", "version": "2"}'
        return read_json(value, dict, what) if isinstance(value, str) else value
