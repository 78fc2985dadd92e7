"""The receiver of the alerts' own tests."""

from analytics_assets_tests.alerts.conftest import receiver

__all__ = ["receiver"]
