"""What was asked of the sandbox, with the key taken out, so that a test can hold on to it and print it."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

from analytics_assets.sandbox.shape import Shape


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request as it came in.

    ``endpoint`` is ``None`` for an unknown path. ``params`` and ``headers_lower`` lack whatever carried a key, right or
    wrong; ``key_seen`` says where it stood: ``query:<name>``, ``header:<name>``, ``bearer`` or ``None``. ``status`` is
    0 until an answer is chosen and stays 0 when none is given. ``at`` is ``time.monotonic()`` in seconds.
    """

    endpoint: str | None
    path: str
    params: dict[str, str]
    headers_lower: dict[str, str]
    key_seen: str | None
    status: int
    at: float


def without_key(values: Mapping[str, str], shape: Shape) -> dict[str, str]:
    """Return the parameters or headers that cannot give the key away."""
    names = {"authorization", shape.key_name.lower()}
    return {
        name: value for name, value in values.items() if name.lower() not in names and not _has_key(name + value, shape)
    }


def path_without_key(path: str, shape: Shape) -> str:
    """Return the path, or three stars when the key stands in it."""
    return "***" if _has_key(path, shape) else path


def key_seen(params: Mapping[str, str], headers: Mapping[str, str], shape: Shape) -> str | None:
    """Say where the request carried a key: anything in its proper place, or the right key in a wrong one."""
    if shape.key_sent(params, headers) is not None:
        return (
            "bearer" if shape.key_location in {"bearer", "oauth2"} else f"{shape.key_location}:{shape.key_name.lower()}"
        )
    for name, value in params.items():
        if value == shape.key:
            return f"query:{name}"
    for name, value in headers.items():
        if value == shape.key:
            return f"header:{name}"
        if name == "authorization" and value.lower().startswith("bearer "):
            return "bearer"
    return None


def _has_key(text: str, shape: Shape) -> bool:
    return any(form in text for form in (shape.key, quote(shape.key), quote(shape.key, safe=""), quote_plus(shape.key)))
