from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPT = Path(__file__).parents[2] / "scripts/refresh-end-of-life"
PRODUCTS = {
    "debian": {
        "title": "Debian",
        "kind": "distribution",
        "images": ["library/debian"],
        "os_release": "debian",
        "codenames": {"buster": "10"},
        "cycles": {"10": "2020-01-01"},
        "end": "extendedSupport",
    },
    "python": {
        "title": "Python",
        "kind": "release",
        "images": ["library/python"],
        "variable": "PYTHON_VERSION",
        "cycles": {"3.9": "2025-10-31", "2.7": "2020-01-01"},
    },
}
ANSWERS = {
    "/api/debian.json": [
        {"cycle": "14", "codename": "Forky", "eol": False},
        {"cycle": "13", "codename": "Trixie", "eol": "2028-08-09", "extendedSupport": "2030-06-30"},
        {"cycle": "10", "codename": "Buster", "eol": "2022-09-10", "extendedSupport": "2024-06-30"},
    ],
    "/api/python.json": [{"cycle": "3.10", "eol": "2026-10-31"}, {"cycle": "3.9", "eol": "2025-10-31"}],
}


class Api(http.server.BaseHTTPRequestHandler):
    """Answers as endoflife.date does."""

    answers: ClassVar[dict[str, object]] = {}

    def do_GET(self) -> None:
        """Give the document of the path, or 404."""
        body = json.dumps(self.answers.get(self.path)).encode()
        self.send_response(200 if self.path in self.answers else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def source() -> Iterator[str]:
    """Serve the API on a port of this machine."""
    Api.answers = dict(ANSWERS)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/api"
        server.shutdown()
        thread.join()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Write a small data file."""
    path = tmp_path / "end_of_life.json"
    path.write_text(json.dumps({"as_of": "2020-01-01", "source": "unset", "products": PRODUCTS}))
    return path


def refresh(file: Path, source: str) -> subprocess.CompletedProcess[str]:
    """Run the script as a person would."""
    argv = [sys.executable, str(SCRIPT), "--file", str(file), "--source", source]
    env = {"PATH": "/usr/bin:/bin", "no_proxy": "127.0.0.1"}
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, env=env)


def test_takes_new_and_changed_dates(file: Path, source: str) -> None:
    """The field that the product names counts; a release that is no longer listed keeps its date."""
    answer = refresh(file, source)
    assert answer.returncode == 0, answer.stderr
    document = json.loads(file.read_text())
    assert document["products"]["debian"]["cycles"] == {"10": "2024-06-30", "13": "2030-06-30"}
    assert document["products"]["debian"]["codenames"] == {"buster": "10", "trixie": "13"}
    assert document["products"]["python"]["cycles"] == {
        "2.7": "2020-01-01",
        "3.9": "2025-10-31",
        "3.10": "2026-10-31",
    }
    assert document["as_of"] > "2020-01-01"
    assert "Debian 10: 2020-01-01 -> 2024-06-30" in answer.stdout


@pytest.mark.parametrize("answer", [None, [], "text", [{"eol": "2026-10-31"}]])
def test_leaves_the_file_where_one_product_cannot_be_had(file: Path, source: str, answer: object) -> None:
    """Half a refresh would be worse than none."""
    if answer is None:
        del Api.answers["/api/python.json"]
    else:
        Api.answers["/api/python.json"] = answer
    before = file.read_text()
    result = refresh(file, source)
    assert result.returncode == 4
    assert "python.json" in result.stderr
    assert file.read_text() == before


def test_says_that_nothing_answers(file: Path) -> None:
    """No server: a message and the exit code, no traceback."""
    result = refresh(file, "http://127.0.0.1:9/api")
    assert result.returncode == 4
    assert "Traceback" not in result.stderr


def test_the_packages_own_data_is_well_formed() -> None:
    """Every date is one, every code name leads to a release."""
    import datetime  # noqa: PLC0415 - this test alone reads dates

    from dockproof.catalog import _end_of_life  # noqa: PLC0415 - the others need no package

    document = _end_of_life.data()
    datetime.date.fromisoformat(document["as_of"])
    for product in document["products"].values():
        assert set(product.get("codenames", {}).values()) <= set(product["cycles"])
        for date in product["cycles"].values():
            datetime.date.fromisoformat(date)
