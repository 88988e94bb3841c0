"""Secrets in the files of an image, most of which are packages with documentation and test keys."""

from __future__ import annotations

import re

from dockproof.patterns import pattern
from dockproof.records import NamedTuple
from dockproof.secret_assignments import assignments
from dockproof.secret_formats import Hit, hits_of, outermost, rules_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_VENDORED = pattern(
    r"^/(?:usr/(?:local/)?(?:lib|lib32|lib64|libexec|include|share|src/linux)|lib|lib64|var/lib/(?:dpkg|apt))/"
    r"|/(?:site-packages|dist-packages|node_modules|gems|vendor|lib(?:64)?/(?:python|ruby|node|jvm|go)[0-9.]*)/"
)
_TRIAL = pattern(
    r"/(?:tests?|testing|test[-_]?data|test[-_]?suite|certdata|examples?|samples?|docs?|fixtures|mocks?|demos?|dummy[^/]*|man|info)/"
    r"|/(?:test_|conftest)[^/]*$|_test\.[a-z]+$|/(?:METADATA|PKG-INFO)$|\.(?:md|rst|html|mo|po|1|3|5|7|8)(?:\.gz)?$",
    re.IGNORECASE,
)
CREDENTIAL_FILE = pattern(
    r"/(?:\.netrc|_netrc|\.npmrc|\.yarnrc(?:\.yml)?|\.pypirc|pip\.conf|\.git-credentials|\.dockercfg|\.pgpass|\.my\.cnf"
    r"|\.docker/config\.json|\.aws/(?:credentials|config)|\.kube/config|kubeconfig|\.env(?:\.[\w-]+)?|[\w-]+\.env"
    r"|secrets?\.(?:ya?ml|json|toml|ini|env|properties)|\.git/config|auth\.json|\.composer/auth\.json|\.cargo/credentials(?:\.toml)?"
    r"|\.gem/credentials|\.m2/settings\.xml|gradle\.properties|nuget\.config|\.htpasswd|\.vault-token|\.bash_history)$",
    re.IGNORECASE,
)
_TEMPLATE = pattern(r"\.(?:example|sample|template|dist|tmpl|tpl|default)$", re.IGNORECASE)
_SETTINGS = pattern(
    r"\.(?:env|ini|cfg|conf|cnf|toml|ya?ml|json|properties|xml|sh|py|rb|js|ts|php|go|java|tf|tfvars)$|/\.[a-z]+rc$|/\.env"
)
_LARGEST_SETTINGS = 256 * 1024


def is_vendored(path: str) -> bool:
    """Tell whether a file of an image belongs to an installed package or to the distribution."""
    return bool(_VENDORED.search(path))


def find_in_file(path: str, data: bytes) -> Iterator[Hit]:
    """Find secrets in one file of an image; see `find_in_files`."""
    return (hit for _, hit in find_in_files([(path, data)]))


def find_in_files(files: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, Hit]]:
    """Find secrets in files of an image, given as absolute path and content; yield path and hit.

    Installed packages carry test keys and documentation: under their folders only tokens and private keys count, and
    neither in their tests, examples and manuals. Files that programs keep credentials in are read as such wherever
    they lie; assignments are read in settings and code outside packages.

    Files are searched many at once: most hold nothing, and a format that stands in none of them is asked for once.
    """
    batches: dict[bool, list[_File]] = {True: [], False: []}
    sizes = {True: 0, False: 0}
    for path, data in files:
        file = _file(path, data)
        if file is None:
            continue
        batches[file.tokens_only].append(file)
        sizes[file.tokens_only] += len(data)
        if sizes[file.tokens_only] >= _BATCH:
            yield from _in_batch(batches[file.tokens_only], tokens_only=file.tokens_only)
            batches[file.tokens_only], sizes[file.tokens_only] = [], 0
    for tokens_only, batch in batches.items():
        yield from _in_batch(batch, tokens_only=tokens_only)


_BATCH = 1024 * 1024


class _File(NamedTuple):
    """A file that is searched.

    Attributes:
        keeps: programs keep credentials in it.
        tokens_only: it belongs to a package, where only tokens and keys count.
    """

    path: str
    data: bytes
    keeps: bool
    tokens_only: bool


def _file(path: str, data: bytes) -> _File | None:
    """Say how a file is searched; None for one that is not."""
    keeps = bool(CREDENTIAL_FILE.search(path)) and not _TEMPLATE.search(path)
    vendored = is_vendored(path)
    if vendored and not keeps and _TRIAL.search(path):
        return None
    return _File(path, data, keeps, not keeps and bool(vendored or _TEMPLATE.search(path)))


def _in_batch(batch: Sequence[_File], *, tokens_only: bool) -> Iterator[tuple[str, Hit]]:
    rules = rules_for(b"\n".join(file.data for file in batch), tokens_only=tokens_only) if batch else []
    for file in batch:
        hits = list(hits_of(file.data, rules, used=file.keeps))
        if _has_assignments(file):
            # One character a byte, so that offsets are those of the bytes.
            text = file.data.decode("latin-1")
            hits += assignments(text, bare=file.keeps or not file.path.endswith(_CODE))
        yield from ((file.path, hit) for hit in outermost(hits))


def _has_assignments(file: _File) -> bool:
    is_read = file.keeps or bool(_SETTINGS.search(file.path))
    return is_read and not file.tokens_only and len(file.data) <= _LARGEST_SETTINGS


# In code only a quoted value is text; a bare one is an expression.
_CODE = (".py", ".rb", ".js", ".ts", ".php", ".go", ".java", ".tf")
