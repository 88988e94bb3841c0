"""What pytest leaves alone here: the known-bad input is there to fail, and is asked about by tests of its own."""

pytest_plugins = ["pytester"]

collect_ignore = [
    "tests/seed",
    "tests/bad_containers",
    "tests/contradictions",
    "tests/run_image",
    "build",
    ".venv",
]
