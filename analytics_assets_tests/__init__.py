"""Tests of the whole project. They mirror the package; each docstring says the rule that the test holds."""
