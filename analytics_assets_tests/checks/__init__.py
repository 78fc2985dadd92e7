"""Tests of the checks: each is seen passing and failing, by what the API sends or by what stands in the table."""
