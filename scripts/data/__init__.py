"""Data of the package that is refreshed from outside."""
