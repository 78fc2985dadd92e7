"""Rows of JSON become columns: values, names, the columns nobody declared, what is set aside, and the files to load.

Knows neither HTTP nor warehouse.
"""
