"""What a failure is called, found along what it came from, and whether the same run may succeed later."""

from typing import get_args

import pytest
import requests
import urllib3
from dlt.common.configuration.exceptions import ConfigurationException

from analytics_assets.ingest.api.adapter import ApiResponse
from analytics_assets.ingest.api.redaction import Redactor
from analytics_assets.ingest.configured import SettingError
from analytics_assets.ingest.errors import ApiError, Kind, Problem, WindowMovedError, causes, explain

URL = "https://api.example.com/v1/stories?api_key=***"

STATUSES: dict[int, Kind] = {
    400: "request refused",
    401: "key refused",
    403: "key refused",
    404: "path not found",
    418: "request refused",
    429: "API failing",
    500: "API failing",
    501: "request refused",
    502: "API failing",
    503: "API failing",
    504: "API failing",
    505: "request refused",
    519: "request refused",
    520: "API failing",
    599: "API failing",
}
TRANSIENT: dict[Kind, bool] = {
    "unreachable": True,
    "key refused": False,
    "path not found": False,
    "wrong shape": False,
    "API failing": True,
    "request refused": False,
    "incomplete": True,
    "warehouse busy": False,
    "cannot connect": True,
    "login refused": False,
    "cannot open": False,
    "no permission": False,
    "disk full": False,
    "value refused": False,
    "connection lost": True,
    "warehouse failing": True,
    "cancelled": False,
    "setting": False,
}


def _answered(status: int, reason: str = "So") -> requests.HTTPError:
    response = requests.Response()
    response.url, response.status_code, response.reason = URL, status, reason
    return requests.HTTPError("what requests says", response=response)


def _wrapped(error: BaseException, *, implicit: bool = False) -> BaseException:
    """Return the error inside two others, as dlt and Dagster hand it on."""
    outer, middle = RuntimeError("the step failed"), ValueError("the resource failed")
    for above, below in ((outer, middle), (middle, error)):
        if implicit:
            above.__context__ = below
        else:
            above.__cause__ = below
    return outer


@pytest.mark.parametrize("status", STATUSES)
def test_each_status_has_its_kind(status: int) -> None:
    """The message names address and status; what only a person can mend is told from what passes."""
    problem = explain(_answered(status))
    assert problem is not None
    assert problem.kind == STATUSES[status]
    assert problem.message.startswith(f"{STATUSES[status]}: {URL} answered {status} So. ")
    assert problem.is_transient is (STATUSES[status] == "API failing")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error": {"message": "\\"limit\\" must be less than or equal to 100"}}',
         ' and says: {"error": {"message": "\\"limit\\" must be less than or equal to 100"}}. Check'),
        (b"<!doctype html><style>p {}</style><title>Gone</title>\n<p>Back\tsoon", " and says: Gone Back soon. Check"),
        (b"x" * 300, f" and says: {'x' * 199}…. Check"),
        (b"red: \x1b[31m", " and says: red: \ufffd[31m. Check"),
        ("Überlast".encode(), " and says: Überlast. Check"),
        (b" \n", "answered 400 So. Check"),
        (b"", "answered 400 So. Check"),
    ],
    ids=["JSON", "HTML", "long", "escape codes", "UTF-8", "blank", "nothing"],
)  # fmt: skip
def test_a_refusal_is_quoted(body: bytes, said: str) -> None:
    """What the API says is most often the reason itself: 200 characters of it, as words in one line."""
    error = _answered(400)
    answer = ApiResponse(Redactor("a-key-of-the-test"))
    vars(answer).update(vars(error.response))
    answer._content = body  # noqa: SLF001 - as the adapter does
    error.response = answer
    problem = explain(error)
    assert problem is not None
    assert said in problem.message


def test_a_refusal_that_names_no_key_does_not_blame_it() -> None:
    """Some APIs say 403 for what does not exist; then the key is not the first thing to check."""
    body = b'You don\'t have permission to access collection "reels" or it does not exist.'
    error = _answered(403)
    error.response._content = body  # noqa: SLF001 - as the adapter does
    problem = explain(error)
    assert problem is not None
    assert problem.kind == "request refused"
    assert (
        "or it does not exist. What is asked for does not exist, or the key may not see it: check the"
        in problem.message
    )


def test_a_key_that_may_not_read_is_not_all_that_is_doubted() -> None:
    """Some APIs say 403, and nothing more, for a path at which there is nothing."""
    problem = explain(_answered(403))
    assert problem is not None
    assert problem.kind == "key refused"
    assert "Check API_KEY" in problem.message
    assert "the endpoint's path (analytics_api.endpoints.<name>.path)" in problem.message


def test_a_status_without_a_reason_is_told_without_one() -> None:
    """HTTP/2 has no reason phrases."""
    problem = explain(_answered(404, ""))
    assert problem is not None
    assert "answered 404. Check base_url and the endpoint's path" in problem.message


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (requests.ConnectionError("x: Connection refused."), "unreachable", "no answer: x: Connection refused. Check"),
        (requests.ConnectTimeout("slow"), "unreachable", "no answer: slow. Check base_url"),
        (requests.ReadTimeout("slow"), "unreachable", "no answer: slow"),
        (requests.exceptions.ChunkedEncodingError("cut"), "unreachable", "no answer: cut"),
        (requests.exceptions.SSLError("self-signed"), "unreachable", "no answer: self-signed"),
        (requests.HTTPError("no response at all"), "unreachable", "no answer: no response at all"),
        (requests.exceptions.ContentDecodingError("not gzip"), "wrong shape", "wrong shape: not gzip."),
        (requests.TooManyRedirects("Exceeded 5"), "request refused", "request refused: Exceeded 5. Check the settings"),
        (requests.ConnectionError(), "unreachable", "no answer: nothing more is known (ConnectionError). Check"),
        (requests.ReadTimeout("http://x/v1: "), "unreachable", "no answer: http://x/v1. Check"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_each_exception_of_requests_has_its_kind(error: Exception, kind: Kind, words: str) -> None:
    """No answer is unreachable; an answer that cannot be unpacked, or that leads in circles, is something else."""
    problem = explain(error)
    assert problem is not None
    assert problem.kind == kind
    assert words in problem.message


def test_of_nested_reasons_the_innermost_is_told() -> None:
    """``Connection refused`` says it; the class names that urllib3 and requests put around it do not."""
    reason = urllib3.exceptions.ConnectTimeoutError(None, "Connection refused")
    error = requests.ConnectionError(urllib3.exceptions.MaxRetryError(None, "/v1", reason))  # type: ignore[arg-type]
    problem = explain(error)
    assert problem is not None
    assert problem.message == (
        f"unreachable: no answer: {str(reason).strip('.')}. Check base_url, the network and the API's status page."
    )
    assert "Max retries exceeded" not in problem.message


@pytest.mark.parametrize("error", [SettingError("page_size = 0: too small"), ConfigurationException("no credentials")])
def test_a_wrong_setting_is_told_as_it_is(error: Exception) -> None:
    """Ours and dlt's: their messages say what is wrong, and only a person can mend it."""
    assert explain(_wrapped(error)) == Problem("setting", str(error))


@pytest.mark.parametrize("implicit", [False, True], ids=["raised from", "raised while"])
def test_a_problem_is_found_along_its_causes(implicit: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """However deep dlt has wrapped it, and whether it said ``from`` or not."""
    problem = explain(_wrapped(WindowMovedError("incomplete: rows moved"), implicit=implicit))
    assert problem == Problem("incomplete", "incomplete: rows moved")


def test_the_outermost_of_our_words_is_told() -> None:
    """What was said last knows most: the answer that it came from is the reason, and not the message."""
    said = ApiError("wrong shape", "wrong shape: no list of rows")
    said.__cause__ = _answered(500)
    assert explain(_wrapped(said)) == said.problem


@pytest.mark.parametrize("error", [ValueError("a bug of ours"), KeyError("id"), OSError("disk full")])
def test_what_is_not_the_apis_has_no_words(error: Exception) -> None:
    """A bug is shown with its traceback and not called a problem of the API."""
    assert explain(_wrapped(error)) is None


def test_every_kind_is_transient_or_not() -> None:
    """Only what may pass by itself is tried again."""
    assert {kind: Problem(kind, "").is_transient for kind in TRANSIENT} == TRANSIENT
    assert set(TRANSIENT) == set(get_args(Kind))


def test_what_was_seen_to_stay_is_not_tried_again() -> None:
    """Of a kind that may pass, a problem that came twice the same does not."""
    assert Problem("incomplete", "").is_transient
    assert not ApiError("incomplete", "", is_lasting=True).problem.is_transient


def test_causes_that_go_in_a_circle_end() -> None:
    """Each exception comes once; one that is its own cause's cause keeps nobody busy."""
    first, second = ValueError("first"), KeyError("second")
    first.__cause__, second.__context__ = second, first
    assert list(causes(first)) == [first, second]
    assert explain(first) is None
