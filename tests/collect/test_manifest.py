"""The manifest as compose resolves it, and the compose file that the gate makes of it."""

from pathlib import Path
from typing import Any

import pytest

from dockproof.collect import compose, model, standins
from dockproof.collect.compose import Manifest
from dockproof.collect.standins import StandIn, StandIns
from dockproof.errors import NotLookedError, UsageError
from dockproof.facts.image import HealthConfig

LABELS = {"dockproof.run": "0123456789"}


def manifest(text: str) -> Manifest:
    """Read a manifest as `docker compose config` would print it."""
    return compose.parse(text, Path("compose.yaml"))


def runnable(
    text: str,
    names: list[str],
    *,
    images: dict[str, str] | None = None,
    stand_ins: StandIns | None = None,
) -> dict[str, Any]:
    """Return the compose file that the gate starts for some services."""
    return model.runnable(
        manifest(text), names, project="p", labels=LABELS, images=images or {}, stand_ins=stand_ins
    )


# -------------------------------------------------------------------------------------------- the manifest


def test_service_has_what_policies_ask_for() -> None:
    """Build, dependencies, environment and ports are read; the dollar sign is written once again."""
    found = manifest("""
name: shop
services:
  api:
    image: shop-api
    build: {context: /src, dockerfile: docker/Dockerfile, target: final, args: {A: "1$$", B: null}}
    depends_on: {db: {condition: service_healthy, required: true}}
    environment: {PRICE: 5$$, EMPTY: null}
    ports: [{target: 8000, published: "80", protocol: tcp, mode: ingress}]
    profiles: [dev]
    x-dockproof: {profile: production}
  db: {image: "postgres:17"}
x-dockproof: {budget: 1}
""")
    api = found.services["api"]
    assert api.build is not None
    assert (api.build.dockerfile, api.build.target) == (Path("/src/docker/Dockerfile"), "final")
    assert api.build.args == {"A": "1$", "B": None}
    assert api.depends_on == {"db": "service_healthy"}
    assert api.environment == {"PRICE": "5$", "EMPTY": None}
    assert (api.ports, api.profiles) == (("8000/tcp",), ("dev",))
    assert (api.x_dockproof, found.x_dockproof) == ({"profile": "production"}, {"budget": 1})
    assert [service.name for service in found.built] == ["api"]


def test_dependencies_reach_all_the_way_and_end_in_a_circle() -> None:
    """What is needed by what is needed is needed."""
    found = manifest("""
services:
  a: {image: x, depends_on: {b: {}}}
  b: {image: x, depends_on: {c: {}, a: {}}}
  c: {image: x}
  d: {image: x}
""")
    assert found.dependencies(["a"]) == ("b", "c")


def test_unknown_service_is_an_error_that_names_the_known_ones() -> None:
    """A name that was mistyped tells what there is."""
    with pytest.raises(UsageError, match="no service 'apo'; it has api"):
        manifest("services: {api: {image: x}}").pick(["apo"])


def test_remote_context_has_no_local_dockerfile() -> None:
    """The Dockerfile of a repository that the builder fetches is no file here."""
    found = manifest("services: {api: {build: {context: 'https://example.org/x.git', dockerfile: D}}}")
    build = found.services["api"].build
    assert build is not None
    assert build.remote
    assert build.dockerfile == Path("D")


def test_missing_compose_file_is_a_usage_error(tmp_path: Path) -> None:
    """Nothing is started for a file that is not there."""
    with pytest.raises(UsageError, match="no such compose file"):
        compose.load(tmp_path / "compose.yaml")
    with pytest.raises(UsageError, match="has no compose file"):
        compose.find(tmp_path)


@pytest.mark.engine
@pytest.mark.usefixtures("engine")
def test_wrong_compose_file_is_told_in_composes_words(tmp_path: Path) -> None:
    """An unknown key, a dependency that is not there, and text that is no YAML."""
    file = tmp_path / "compose.yaml"
    for text, words in [
        ("services: {a: {imagee: x}}", "imagee"),
        ("services: {a: {image: x, depends_on: [b]}}", "undefined service|depends on"),
        ("services: [", "yaml|parsing"),
    ]:
        file.write_text(text)
        with pytest.raises(UsageError, match=words):
            compose.load(file)


@pytest.mark.engine
def test_extension_survives_composes_own_resolution(stack: Manifest) -> None:
    """`x-dockproof` of a service comes through `docker compose config`, merges and anchors are resolved."""
    assert stack.services["web"].x_dockproof == {"profile": "production"}
    assert stack.services["web"].environment["PRICE"] == "5$"
    assert stack.services["broker"].image.startswith("python:3.13-slim-trixie@sha256:")
    assert stack.dependencies(["web"]) == ("broker", "job")


# ------------------------------------------------------------------------------------- what is started

SHOP = """
name: shop
services:
  api:
    image: shop-api
    build: {context: /src}
    container_name: shop
    restart: always
    hostname: kept
    ports: [{target: 8000, published: "80"}]
    profiles: [dev]
    labels: {own: "1"}
    deploy: {replicas: 3, resources: {limits: {memory: 1G}}}
    environment: {PRICE: 5$$}
    depends_on: {db: {condition: service_healthy}}
    x-dockproof: {profile: production}
  migrate: {image: shop-api}
  db: {image: "postgres:17@sha256:1"}
  other: {image: x}
networks: {default: {name: shop_default}, outside: {name: corporate, external: true, internal: true}}
volumes: {data: {name: precious, external: true}}
"""


def test_nothing_of_the_users_own_stack_is_shared() -> None:
    """Names that engines share are gone: containers, ports, networks and volumes, external ones too."""
    document = runnable(SHOP, ["api"])
    assert document["name"] == "p"
    assert set(document["services"]) == {"api", "db"}
    api = document["services"]["api"]
    assert not {"container_name", "ports", "restart", "profiles", "build", "x-dockproof"} & api.keys()
    assert document["networks"] == {
        "default": {"labels": LABELS},
        "outside": {"internal": True, "labels": LABELS},
    }
    assert document["volumes"] == {"data": {"labels": LABELS}}


def test_network_that_nobody_declares_carries_the_labels() -> None:
    """Compose makes it all the same, and what carries no label is never removed."""
    assert runnable("services: {web: {image: x}}", ["web"])["networks"] == {"default": {"labels": LABELS}}


def test_what_the_service_is_told_stays_as_the_manifest_says() -> None:
    """Environment (still escaped for compose), limits and host name are the manifest's; labels are added."""
    api = runnable(SHOP, ["api"])["services"]["api"]
    assert api["environment"] == {"PRICE": "5$$"}
    assert api["deploy"] == {"resources": {"limits": {"memory": "1G"}}}
    assert api["hostname"] == "kept"
    assert api["labels"] == {"own": "1", **LABELS}


def test_built_and_stand_in_images_are_run_and_never_pulled() -> None:
    """A service that shares the built image by its name runs it too; others pull what they name."""
    stand_ins = StandIns((StandIn("postgres:17@sha256:1", "localhost/pg", "sha256:2"),))
    services = runnable(SHOP, ["api", "migrate", "other"], images={"api": "sha256:9"}, stand_ins=stand_ins)[
        "services"
    ]
    local = {name: (each["image"], each.get("pull_policy")) for name, each in services.items()}
    assert local == {
        "api": ("sha256:9", "never"),
        "migrate": ("sha256:9", "never"),
        "db": ("localhost/pg", "never"),
        "other": ("x", None),
    }


def test_image_that_was_not_built_is_told_from_one_that_is_pulled() -> None:
    """A service with `build:` whose build failed has no image, though it has a name for one."""
    found = manifest(SHOP)
    assert model.image(found, "api", {}) == ""
    assert model.image(found, "api", {"api": "sha256:9"}) == "sha256:9"
    assert model.image(found, "db", {}) == "postgres:17@sha256:1"


def test_override_merges_mappings_and_replaces_the_rest() -> None:
    """None removes; the service itself is left as it was."""
    service = {"user": "1", "environment": {"A": "1", "B": "2"}, "cap_drop": ["ALL"], "read_only": True}
    override: dict[str, object] = {
        "user": "0:0",
        "environment": {"B": None, "C": "3"},
        "cap_drop": [],
        "read_only": None,
    }
    assert model.merge(service, override) == {
        "user": "0:0",
        "environment": {"A": "1", "C": "3"},
        "cap_drop": [],
    }
    assert service["environment"] == {"A": "1", "B": "2"}


def test_compose_health_check_lies_over_the_images() -> None:
    """What compose leaves out is the image's; `disable` switches it off; a text is a shell's."""
    image = HealthConfig(("CMD", "x"), interval=30, timeout=3, start_period=20, start_interval=1, retries=2)
    assert model.health(image, {"interval": "1m30s"}) == image._replace(interval=90)
    assert model.health(image, {}) == image
    assert model.health(None, {}) is None
    assert model.health(None, {"test": "curl x"}) == HealthConfig(("CMD-SHELL", "curl x"))
    disabled = model.health(image, {"disable": True})
    assert disabled is not None
    assert disabled.disabled


@pytest.mark.parametrize(
    ("check", "known", "quickened"),
    [
        (HealthConfig(("CMD", "x"), start_period=20, start_interval=1), True, True),
        (HealthConfig(("CMD", "x"), start_period=20, start_interval=1), False, False),
        (HealthConfig(("CMD", "x"), start_period=0), True, False),
        (HealthConfig(("CMD", "x"), start_period=20, interval=0.5), True, False),
        (HealthConfig(("NONE",), start_period=20), True, False),
        (None, True, False),
    ],
)
def test_probes_are_quickened_only_where_that_cannot_change_the_start(
    check: HealthConfig | None, *, known: bool, quickened: bool
) -> None:
    """Without a start period, or on an engine without start intervals, the first probe waits an interval."""
    service: dict[str, object] = {"healthcheck": {"retries": 2}}
    assert model.quicken(service, check, start_interval=known) is quickened
    assert service["healthcheck"] == ({"retries": 2, "interval": "1s"} if quickened else {"retries": 2})


# ---------------------------------------------------------------------------------------------- stand-ins


def test_stand_ins_are_read_and_handed_to_builds(tmp_path: Path) -> None:
    """References, secrets and network become arguments of the build, and words of the report."""
    secret = tmp_path / "ca"
    secret.write_text("x")
    entry = {
        "for": "python:3@sha256:1",
        "image": "localhost/py",
        "id": "sha256:2",
        "why": "no registry",
        "how": "x",
    }
    document = {"stand_ins": [entry], "build": {"secrets": {"ca_bundle": str(secret)}, "network": "host"}}
    found = standins.parse(document)
    assert found.image_for("python:3@sha256:1") == "localhost/py"
    assert found.image_for("python:3") is None
    assert found.as_json() == [entry]
    assert list(found.build_arguments()) == [
        *("--secret", f"id=ca_bundle,src={secret}"),
        *("--network", "host"),
        *("--build-context", "python:3@sha256:1=docker-image://localhost/py"),
    ]


def test_no_file_means_no_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's machine has a registry."""
    monkeypatch.delenv(standins.VARIABLE, raising=False)
    assert standins.load() == StandIns()


def test_wrong_stand_ins_file_is_an_error(tmp_path: Path) -> None:
    """Missing, damaged, of another shape, or naming a secret that is gone."""
    file = tmp_path / "stand-ins.json"
    for text, kind in [
        (None, UsageError),
        ("{", UsageError),
        ("[]", UsageError),
        ('{"stand_ins": [{"for": "x"}]}', UsageError),
        ('{"stand_ins": [], "build": {"secrets": {"ca": "/no/such/file"}}}', NotLookedError),
    ]:
        if text is not None:
            file.write_text(text)
        with pytest.raises(kind):
            standins.load(file)
