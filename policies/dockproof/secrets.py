"""Find secrets in text: known formats first, then the names of variables, then the randomness of a value.

Pure functions over `str` and `bytes`. Nothing here ever returns or prints a secret: a `Hit` says what kind it is,
where it stands and a redacted form (the public prefix of the format and the length).

Two readers ask, and they differ in one point. What a Dockerfile, a config or a process holds is *used*: a weak
password there is a password all the same. Files of an image are full of documentation, in which `password` and
`AKIA…EXAMPLE` are words; there a placeholder is no secret.
"""

from __future__ import annotations

from dockproof.secret_assignments import assignments
from dockproof.secret_contents import find_in_file, find_in_files, is_vendored
from dockproof.secret_formats import CREDENTIAL, PRIVATE_KEY, TOKEN, URL, Hit, find, redact
from dockproof.secret_names import (
    holds_secret,
    is_public_name,
    judge_name,
    names_secret,
)
from dockproof.secret_values import is_path, is_random, is_reference, is_stand_in

__all__ = [
    "CREDENTIAL",
    "PRIVATE_KEY",
    "TOKEN",
    "URL",
    "Hit",
    "assignments",
    "find",
    "find_in_file",
    "find_in_files",
    "holds_secret",
    "is_path",
    "is_public_name",
    "is_random",
    "is_reference",
    "is_stand_in",
    "is_vendored",
    "judge_name",
    "names_secret",
    "redact",
]
