"""How a vendor's pages are asked for."""

import base64
import binascii
from collections.abc import Mapping

from analytics_assets.sandbox.shape import BadRequestError, Shape, whole

# Vendors' cursors have characters in them that mean something else in an address.
_ENDS_WITH = "+/=&%20"


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


def token_of(place: int) -> str:
    """Return the cursor of a page that begins there."""
    return base64.b64encode(str(place).encode()).decode() + _ENDS_WITH


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
