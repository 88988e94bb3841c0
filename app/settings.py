"""What the environment says: every setting, and the secrets, which may lie in files.

A setting NAME is read from the variable of its name in capitals, or, as the official PostgreSQL image does
it, from the file that NAME_FILE points at. What holds a password has no default.
"""

import os
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict


class SettingsError(Exception):
    """The environment lacks a setting or holds one that cannot be used; the text names the variables."""


def _with_scheme(*schemes: str) -> AfterValidator:
    """Accept a URL only if it starts with one of the schemes; the message never repeats the URL."""

    def check(url: SecretStr) -> SecretStr:
        if not url.get_secret_value().startswith(tuple(f"{scheme}://" for scheme in schemes)):
            raise ValueError(f"must be a URL that starts with {' or '.join(f'{s}://' for s in schemes)}")
        return url

    return AfterValidator(check)


def _with_whole_login(url: SecretStr) -> SecretStr:
    """Refuse a user without a password, which the client of RabbitMQ cannot log in with."""
    try:
        parts = urlsplit(url.get_secret_value())
    except ValueError as error:
        raise ValueError("is no URL") from error  # the cause would show a part of it
    if parts.username and parts.password is None:
        raise ValueError("names a user without a password: write amqp://USER:PASSWORD@HOST/")
    return url


class _FileSource(PydanticBaseSettingsSource):
    """Reads NAME from the file that NAME_FILE points at."""

    def __call__(self) -> dict[str, Any]:
        found = {name: _from_file(name.upper()) for name in self.settings_cls.model_fields}
        return {name: value for name, value in found.items() if value is not None}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Answer for one field (the base class asks for this method; nothing calls it)."""
        return _from_file(field_name.upper()), field_name, False


def _from_file(variable: str) -> str | None:
    path = os.environ.get(f"{variable}_FILE")
    if not path:
        return None
    if os.environ.get(variable):
        raise SettingsError(f"{variable} and {variable}_FILE are both set: keep one")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{variable}_FILE: {path} cannot be read: {error}") from error


class Settings(BaseSettings):
    """All settings of the API, the workers and the migrations. Times are in seconds."""

    model_config = SettingsConfigDict(env_ignore_empty=True, frozen=True, hide_input_in_errors=True)

    database_url: Annotated[SecretStr, _with_scheme("postgresql+psycopg")]
    redis_url: Annotated[SecretStr, _with_scheme("redis", "rediss", "unix")]
    rabbitmq_url: Annotated[SecretStr, _with_scheme("amqp", "amqps"), AfterValidator(_with_whole_login)]
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    port: Annotated[int, Field(gt=0, lt=65536)] = 8000
    dramatiq_processes: Annotated[int, Field(gt=0, le=256)] = 4
    dramatiq_threads: Annotated[int, Field(gt=0, le=1024)] = 8
    heartbeat_dir: Path = Path("/tmp/app-heartbeats")  # noqa: S108 - the one place to write under a read-only root
    cache_ttl: Annotated[int, Field(gt=0, le=3600)] = 30

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - no .env file is ever read
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - _FileSource stands in its place
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Look at arguments first, then at NAME, then at NAME_FILE."""
        return init_settings, env_settings, _FileSource(settings_cls)


@cache
def load_settings() -> Settings:
    """Read the settings once for each process.

    Raises:
        SettingsError: With one line for each variable that is missing or wrong.
    """
    try:
        return Settings()  # type: ignore[call-arg]  # the environment gives them
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(problem) for problem in error.errors())) from error


def _explain(problem: Any) -> str:
    variable = str(problem["loc"][0]).upper()
    if problem["type"] == "missing":
        return f"{variable} is not set (nor is {variable}_FILE)"
    return f"{variable}: {problem['msg']}"
