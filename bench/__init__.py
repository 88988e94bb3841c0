"""Measurements, each a module with `main()`."""
