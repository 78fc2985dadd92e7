"""An address with a password in it is refused without a word of it, and a run that has it leaves none either."""

import pytest

from analytics_assets.ingest.configured import SettingError
from analytics_assets.ingest.postgres_address import checked_address
from analytics_assets_tests.project import Project, message_of, stories

SECRET = "geheim77"
NONE = [
    f"postgres//user:{SECRET}@host/db",
    f"user:{SECRET}@host",
    f"postgresql://user:a@{SECRET}@host/db",
    f"postgresql://user:a%{SECRET}@host/db",  # pragma: allowlist secret
    f"postgresql://user:{SECRET}@host:port/db",
    f"postgresql://user:{SECRET}@/db",
    f"mysql://user:{SECRET}@host/db",
    f"host=db password={SECRET}",
    f"postgresql://user:77/{SECRET}@host/db",
    f"postgresql://user:77?{SECRET}@host/db",
]


@pytest.mark.parametrize("address", NONE)
def test_what_is_none_is_not_repeated(address: str) -> None:
    """The driver's own error would have it."""
    with pytest.raises(SettingError, match=r"^NAME is not the address of a PostgreSQL, such as postgresql://") as error:
        checked_address("NAME", address)
    assert SECRET not in str(error.value)
    assert error.value.__suppress_context__ or error.value.__context__ is None


def test_an_address_is_one() -> None:
    """Its password may be encoded, its host a number, and it may have parameters."""
    for address in (
        "postgresql://user:p%40ss%2Fword@host:5432/db",  # pragma: allowlist secret
        "postgres://host/db?sslmode=require",
        "postgresql://user@[::1]:5432/db",
    ):
        assert checked_address("NAME", address) == address


@pytest.mark.parametrize("address", [*NONE[:3], f"postgresql://user:{SECRET}@127.0.0.1:9/db"])
def test_a_run_leaves_no_password_of_the_budget(
    project: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], address: str
) -> None:
    """Not in its message, its log or its files, whether the address is none or nobody answers there."""
    monkeypatch.setattr("analytics_assets.ingest.api.line_places._PATIENCE_SECONDS", 0.1)
    project.serve(rows={"stories": stories(1)})
    project.configure(rate_budget="postgres", max_requests_per_second=5)
    monkeypatch.setenv("RATE_BUDGET_URL", address)
    result = project.materialize()
    assert not result.success
    assert "RATE_BUDGET_URL" in message_of(result)
    project.assert_nowhere([SECRET], message_of(result), *capfd.readouterr())
