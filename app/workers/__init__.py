"""The workers: Dramatiq processes that compute what articles show beside their text."""
