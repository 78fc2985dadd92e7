"""The routes that drive a running sandbox from outside, all under ``/_sandbox`` and without a key.

``GET health``; ``GET requests?last=N`` for a summary and the last N (20) requests; ``POST faults`` with a JSON object
of ``Fault`` arguments; ``DELETE faults``. ``docs/sandbox.md`` shows each of them.
"""

from collections import Counter

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.faults import Fault

_TAKE_A_FUNCTION = {"mutate_rows", "rate_limit"}


def with_control(sandbox: ASGIApp) -> Starlette:
    """Return the application to serve: the control routes, and the sandbox on every other path.

    What plays a capture has ``health`` alone: its answers are those that were recorded.
    """
    routes = _control_routes(sandbox) if isinstance(sandbox, Sandbox) else []
    return Starlette(routes=[Route("/_sandbox/health", _health), *routes, Route("/{path:path}", sandbox)])


async def _health(request: Request) -> Response:  # noqa: ARG001 - Starlette passes it
    return _json({"ok": True})


def _control_routes(sandbox: Sandbox) -> list[Route]:
    async def requests(request: Request) -> Response:
        last = request.query_params.get("last", "20")
        if not (last.isascii() and last.isdecimal()):
            return _json({"error": {"message": f"last must be a whole number: {last!r}"}}, 400)
        log = list(sandbox.requests)
        return _json(
            {
                "count": len(log),
                "max_in_flight": sandbox.max_in_flight,
                "by_endpoint": Counter(str(asked.endpoint) for asked in log),
                "by_status": Counter(str(asked.status) for asked in log),
                "last": log[len(log) - min(int(last), len(log)) :],
            }
        )

    async def add_fault(request: Request) -> Response:
        try:
            fault = Fault(**orjson.loads(await request.body()))
        except (TypeError, ValueError) as error:
            return _json({"error": {"message": str(error)}}, 400)
        if fault.kind in _TAKE_A_FUNCTION:
            return _json({"error": {"message": f"{fault.kind} takes a Python function"}}, 400)
        sandbox.faults.append(fault)
        return _json({"faults": [fault.kind for fault in sandbox.faults]}, 201)

    async def clear_faults(request: Request) -> Response:  # noqa: ARG001 - Starlette passes it
        sandbox.faults.clear()
        return _json({"faults": []})

    return [
        Route("/_sandbox/requests", requests),
        Route("/_sandbox/faults", add_fault, methods=["POST"]),
        Route("/_sandbox/faults", clear_faults, methods=["DELETE"]),
    ]


def _json(body: object, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")
