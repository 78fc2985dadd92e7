"""How a vendor's pages are asked for, and what an answer says of the next one and of how many there are."""

import base64
import binascii
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_plus

from analytics_assets.sandbox.shape import ABSENT, BadRequestError, Shape, whole

if TYPE_CHECKING:
    from analytics_assets.sandbox.answer import Answer

# Vendors' cursors have characters in them that mean something else in an address.
_ENDS_WITH = "+/=&%20"
_HEADER = "header:"


def asked_page(shape: Shape, params: Mapping[str, str]) -> tuple[int, int]:
    """Return offset and limit as asked; ``BadRequestError`` when one is missing or is not what the vendor knows."""
    limit = whole(params, shape.limit_param, at_least=1) if shape.limit_param else shape.max_page_size
    match shape.pagination:
        case "offset":
            return whole(params, shape.offset_param, at_least=0), limit
        case "page":
            page = params.get(shape.page_param, str(shape.first_page))
            number = whole({shape.page_param: page}, shape.page_param, at_least=shape.first_page)
            return (number - shape.first_page) * min(limit, shape.max_page_size), limit
        case _:
            return _place_of(params.get(shape.cursor_param)), limit


def said(answer: "Answer", came: int) -> tuple[dict[str, object], dict[str, str]]:
    """Return what an answer of so many rows says beside them: by dotted path in its body, and by header."""
    shape = answer.shape
    size = max(min(answer.limit, shape.max_page_size), 1)
    values: dict[str, object] = {}
    if shape.total_path:
        values[shape.total_path] = len(answer.rows)
    if shape.total_pages_path:
        values[shape.total_pages_path] = -(-len(answer.rows) // size)
    behind = answer.first + came
    if behind < len(answer.rows) or shape.is_endless:
        token = base64.b64encode(str(behind).encode()).decode() + _ENDS_WITH
        if shape.pagination == "cursor":
            values[shape.cursor_path] = token
        if shape.pagination == "link":
            link = _link(shape, answer.url, token)
            values[shape.link_path] = f'<{link}>; rel="next"' if shape.link_path == f"{_HEADER}Link" else link
    values |= {name: value for name, value in answer.replaced.items() if name in values or name.startswith(_HEADER)}
    headers = {name.removeprefix(_HEADER): str(value) for name, value in values.items() if name.startswith(_HEADER)}
    headers = {name: value for name, value in headers.items() if values[f"{_HEADER}{name}"] is not ABSENT}
    return {name: value for name, value in values.items() if not name.startswith(_HEADER)}, headers


def _place_of(token: str | None) -> int:
    if token is None:
        return 0
    try:
        if not token.endswith(_ENDS_WITH):
            raise BadRequestError("not a cursor of this API")
        return int(base64.b64decode(token.removesuffix(_ENDS_WITH), validate=True))
    except (ValueError, binascii.Error):
        msg = f"not a cursor of this API: {token!r}"
        raise BadRequestError(msg) from None


def _link(shape: Shape, url: str, token: str) -> str:
    """Return the address of the next page: that of this one with another cursor, with the key in it or without."""
    address, _, query = url.partition("?")
    gone = {shape.cursor_param} if shape.link_has_key else {shape.cursor_param, shape.key_name}
    kept = [piece for piece in query.split("&") if unquote_plus(piece.partition("=")[0]) not in gone]
    host_and_path = address if shape.link_is_absolute else ""
    cursor = f"{quote(shape.cursor_param)}={quote(token, safe='')}"
    return f"{host_and_path}?{'&'.join([*kept, cursor])}"
