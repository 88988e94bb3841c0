"""The built wheel, not the checkout: what users install works without the source tree."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel and unpack it into a folder of its own."""
    folder = tmp_path_factory.mktemp("wheel")
    argv = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(argv, check=True, capture_output=True, timeout=120)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(installed: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run dockproof out of the wheel, from a folder that knows nothing of the checkout."""
    argv = [sys.executable, "-P", "-m", "dockproof", *arguments]
    env = {"PYTHONPATH": str(installed), "PATH": "/usr/bin:/bin", "HOME": str(cwd)}
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, cwd=cwd, env=env)


def test_wheel_is_the_one_that_runs(installed: Path, tmp_path: Path) -> None:
    """The assertion of all others: the code comes out of the wheel."""
    argv = [sys.executable, "-P", "-c", "import dockproof; print(dockproof.__file__)"]
    answer = subprocess.run(
        argv,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(installed)},
    )
    assert Path(answer.stdout.strip()).is_relative_to(installed)


def test_wheel_checks_a_dockerfile(installed: Path, tmp_path: Path) -> None:
    """Policies are found, asked and shown."""
    (tmp_path / "Dockerfile").write_text("FROM alpine\nUSER 00\n", encoding="utf-8")
    answer = run(installed, tmp_path, "check", "--no-hadolint")
    assert answer.returncode == 1, answer.stderr
    assert "non-root/root-user" in answer.stdout


def test_wheel_holds_what_the_package_needs_and_nothing_else(installed: Path) -> None:
    """Every policy and the type marker are in it; no test, no app."""
    policies = {path.name for path in (ROOT / "policies/dockproof/catalog").glob("*.py")}
    assert {path.name for path in (installed / "dockproof/catalog").glob("*.py")} == policies
    assert (installed / "dockproof/py.typed").is_file()
    assert {path.name for path in (installed / "dockproof/data").iterdir()} == {
        "compliance.toml",
        "end_of_life.json",
    }
    assert {path.name.partition("-")[0] for path in installed.iterdir()} == {"dockproof"}
