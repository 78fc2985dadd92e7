"""Which answers say that less data should be asked for."""

from typing import Any

import requests

from analytics_assets.ingest.api.pages import Send
from analytics_assets.ingest.errors import RETRIED_STATUSES, Kind, TooMuchError, quoted
from analytics_assets.ingest.settings import Settings

_TOO_LARGE: int = requests.codes.request_entity_too_large
_SAY_SO_IN_WORDS = {requests.codes.bad_request, *RETRIED_STATUSES} - {requests.codes.too_many_requests}


def refusing_too_much(send: Send, settings: Settings) -> Send:
    """Return ``send``, which raises ``TooMuchError`` for an answer that asks for less data, once its retries are over.

    A ``413`` does so whatever it says; other refusals where the beginning of their body has one of the texts of
    ``shrink_on``, in upper or lower case.
    """
    texts = [text.casefold() for text in settings.shrink_on]

    def sent(request: requests.PreparedRequest, **arguments: Any) -> requests.Response:  # noqa: ANN401 (requests' signature)
        try:
            response = send(request, **arguments)
        except requests.HTTPError as error:
            # dlt has some of its requests raise for their status
            refused = error.response
            if not _asks_for_less(refused, texts):
                raise
        else:
            refused = response
            if not _asks_for_less(refused, texts):
                return response
        # outside of the `except`, for the reader of the other error sees nothing more
        came = f"{refused.url} answered {refused.status_code} {refused.reason or ''}".rstrip() + quoted(refused)
        kind: Kind = "API failing" if refused.status_code in RETRIED_STATUSES else "request refused"
        raise TooMuchError(kind, came.rstrip("."))

    return sent


def _asks_for_less(refused: requests.Response, texts: list[str]) -> bool:
    if refused.status_code not in _SAY_SO_IN_WORDS:
        return refused.status_code == _TOO_LARGE
    said = refused.text.casefold()
    return any(text in said for text in texts)
