"""Which files hold secrets by their name and place: environment files, keys, credentials of programs.

Pure functions over paths, of a build context or of an image. Content is no matter here;
`dockproof.secret_contents` reads it.
"""

from __future__ import annotations

import re
from functools import lru_cache

from dockproof.patterns import pattern

ENVIRONMENT, KEY, CREDENTIALS = "env-file", "key", "credentials"
"""The kinds, as clauses of `no-secret-files` name them."""

# As programs look for it: `.Env.NAME` is a template's variable.
_ENVIRONMENT = pattern(r"(?:\.env|\.ENV)(?:\.[\w.-]+)?|[\w-]+\.(?:env|ENV)|\.envrc", needs=(".env",))
_KEY = pattern(
    r"id_(?:rsa|dsa|ecdsa|ecdsa_sk|ed25519|ed25519_sk|xmss)|.*\.(?:key|ppk|p12|pfx|p8|pkcs12|jks|keystore|kdbx|agekey|pvk)"
    r"|(?:.*[-_.])?(?:key|privkey|private|privatekey|private[-_]key)(?:[-_.].*)?\.(?:pem|der|asc|gpg)"
    r"|ssh_host_.*_key|secring\.gpg|.*\.tfstate(?:\.backup)?",
    re.IGNORECASE,
    (
        "id_",
        "key",
        "private",
        ".ppk",
        ".p12",
        ".pfx",
        ".p8",
        ".pkcs12",
        ".jks",
        ".kdbx",
        ".pvk",
        "secring",
        ".tfstate",
    ),
)
# Keys that everybody may have: of package archives, and the public half of any other.
_PUBLIC = pattern(
    r"(?:.*[-_.])?(?:pub|public|gpg|pgp|apt|deb|rpm|repo|repository|archive|archive-keyring|release|asc)(?:[-_.].*)?\.(?:key|pem|asc|gpg|der)"
    r"|.*\.pub|RPM-GPG-KEY.*|(?:ca|cert|chain|fullchain)\.(?:pem|crt)",
    re.IGNORECASE,
)
_PUBLIC_PLACE = pattern(r"(?:^|/)(?:etc/apt|apt|keyrings|trusted\.gpg\.d|rpm-gpg|pki/rpm-gpg|apk/keys)/")
_CREDENTIALS = pattern(
    r"\.netrc|_netrc|\.npmrc|\.pypirc|\.git-credentials|\.dockercfg|\.pgpass|\.my\.cnf|\.s3cfg|\.boto|\.vault-token"
    r"|\.htpasswd|\.kubeconfig|kubeconfig|.*\.kubeconfig|\.terraformrc|\.bash_history|\.zsh_history|\.psql_history"
    r"|\.mysql_history|\.python_history|application_default_credentials\.json|client_secrets?.*\.json"
    r"|(?:.*[-_.])?service[-_]?account(?:[-_.].*)?\.json|(?:.*[-_.])?credentials?(?:[-_.].*)?\.(?:json|ya?ml|ini|csv|txt)"
    r"|secrets?\.(?:json|ya?ml|toml|ini|env|properties|txt)|.*\.token|token(?:\.txt)?|terraform\.tfvars",
    re.IGNORECASE,
    (
        *(
            "netrc",
            "npmrc",
            "pypirc",
            "credential",
            "dockercfg",
            "pgpass",
            "my.cnf",
            "s3cfg",
            "boto",
            "token",
        ),
        *("htpasswd", "kubeconfig", "terraform", "history", "secret", "account"),
    ),
)
# Files that are credentials by the folder they lie in.
_PLACES = pattern(
    r"(?:^|/)(?:\.docker/config\.json|\.aws/(?:credentials|config)|\.kube/config|\.ssh/(?!known_hosts|authorized_keys"
    r"|config$|.*\.pub$).+|\.gnupg/(?:private-keys-v1\.d/.+|secring\.gpg)|\.azure/.+\.json|\.config/gcloud/.+"
    r"|\.config/gh/hosts\.yml|\.cargo/credentials(?:\.toml)?|\.gem/credentials|\.composer/auth\.json)$",
    needs=(
        ".docker/",
        ".aws/",
        ".kube/",
        ".ssh/",
        ".gnupg/",
        ".azure/",
        ".config/",
        "credentials",
        ".composer/",
    ),
)
# Folders that hold nothing else.
_FOLDERS = pattern(
    r"(?:^|/)(?:\.ssh|\.aws|\.gnupg|\.azure|\.kube|\.docker|\.config/gcloud)/?$",
    needs=(".ssh", ".aws", ".gnupg", ".azure", ".kube", ".docker", "gcloud"),
)
_TEMPLATE = pattern(
    r"[-_.](?:example|sample|template|dist|tmpl|tpl|defaults?)(?:\.\w+)?$",
    re.IGNORECASE,
    ("example", "sample", "template", "dist", "tmpl", "tpl", "default"),
)

POINTERS = frozenset(
    (
        *("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE"),
        *("GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE"),
        *("HF_TOKEN_PATH", "KUBECONFIG", "NETRC", "PGPASSFILE"),
    )
)
"""Variables that programs read the path of a credentials file from."""


@lru_cache(maxsize=1024)  # an image has many files of one name, a repository many Dockerfiles with the same
def kind(path: str) -> str | None:
    """Say what kind of secret a file holds by its path: `env-file`, `key`, `credentials`, or None.

    Templates (`.env.example`), public keys and the keys of package archives hold none.
    """
    name = path.rstrip("/").rpartition("/")[2]
    if not name or _TEMPLATE.search(name):
        return None
    if _ENVIRONMENT.fullmatch(name):
        return ENVIRONMENT
    if _PLACES.search(path) or _FOLDERS.search(path) or _CREDENTIALS.fullmatch(name):
        return CREDENTIALS
    if _KEY.fullmatch(name) and not _PUBLIC.fullmatch(name) and not _PUBLIC_PLACE.search(path):
        return KEY
    return None
