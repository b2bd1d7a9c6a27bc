"""Settings: every value that a site may choose, read once from the environment."""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from model.dicom.sandbox import SandboxLimits
from model.dicom.sandbox_child import ChildLimits
from model.dicom.slice_reader import ReadLimits
from model.dicom.sources import SourceLimits

PROJECT_ROOT = Path(__file__).resolve().parent.parent
MEBIBYTE = 1024**2


class ConfigError(Exception):
    """A setting that Falx cannot start with; the message names the variable."""


@dataclass(frozen=True)
class Settings:
    """All settings. The environment variable of `max_file_bytes` is ``FALX_MAX_FILE_BYTES``."""

    data: Path = Path("instance")
    """Folder of database, queue and stored files."""
    database_url: str = ""
    """SQLAlchemy URL (`postgresql+psycopg://user@host/falx`); empty: SQLite in the data folder."""
    model: Path = PROJECT_ROOT / "model" / "weights"
    """Folder of the artefact, `falx.pt` and `falx.json`."""
    device: str = "auto"
    """Where the network runs: auto, cpu or cuda."""
    secret_key: str = ""
    """Signs cookies; empty means a key made once and kept in the data folder."""
    https: bool = False
    """Set where one proxy in front speaks HTTPS: cookies become Secure and `__Host-`."""
    host: str = "127.0.0.1"
    """Address that the web process listens on."""
    port: int = 8000
    """Port that the web process listens on."""
    web_threads: int = 16
    """Requests served at the same time."""
    session_hours: int = 12
    """A login ends after this time."""
    max_request_bytes: int = 2048 * MEBIBYTE
    """Largest upload in one request."""
    max_file_bytes: int = 64 * MEBIBYTE
    """Largest single DICOM file, inside or outside an archive."""
    max_archive_bytes: int = 4096 * MEBIBYTE
    """Most bytes an archive may inflate to."""
    max_files: int = 10_000
    """Most files in one upload, archive members included."""
    max_rows_columns: int = 1024
    """Most rows, and most columns, of a slice."""
    max_slices: int = 1000
    """Most slices of a series that are analysed."""
    reader_memory_bytes: int = 1024 * MEBIBYTE
    """Address space of the child process that parses files."""
    reader_seconds: int = 8
    """Time that one file may take to parse; the reader is answered within 10 seconds."""
    lease_seconds: int = 30
    """A job whose worker is silent for so long is given to another."""
    max_attempts: int = 3
    """A job that failed so often is shown as not analysed."""
    claim_minutes: int = 30
    """A reader who took a study and gave no verdict for so long no longer keeps it from others."""

    @property
    def resolved_database_url(self) -> str:
        """The database that is used."""
        return self.database_url or f"sqlite:///{self.data.resolve() / 'falx.sqlite'}"

    @property
    def source_limits(self) -> SourceLimits:
        """The caps on what is sent."""
        return SourceLimits(
            file_bytes=self.max_file_bytes,
            members=self.max_files,
            total_bytes=self.max_archive_bytes,
        )

    @property
    def reader_limits(self) -> SandboxLimits:
        """The caps on reading one file."""
        return SandboxLimits(
            child=ChildLimits(
                read=ReadLimits(most_rows_columns=self.max_rows_columns),
                address_space_bytes=self.reader_memory_bytes,
                cpu_seconds=self.reader_seconds,
            ),
            wall_seconds=self.reader_seconds,
        )

    @property
    def queue_path(self) -> Path:
        """The file of the wake-up queue."""
        return self.data / "queue.sqlite"


def load_settings(
    environment: Mapping[str, str] = os.environ,
    overrides: Mapping[str, object] | None = None,
) -> Settings:
    """Read the settings from `environment`; `overrides` (tests, command line) win.

    Raises
    ------
    ConfigError
        A value has the wrong form or an override has no setting.
    """
    values: dict[str, object] = {}
    for setting in fields(Settings):
        variable = f"FALX_{setting.name.upper()}"
        if variable in environment:
            values[setting.name] = _parse(variable, environment[variable], setting.type)
    values.update(overrides or {})
    unknown = values.keys() - {setting.name for setting in fields(Settings)}
    if unknown:
        raise ConfigError(f"no such setting: {', '.join(sorted(unknown))}")
    return Settings(**values)  # type: ignore[arg-type]  # each value was parsed by its field's type


def _parse(variable: str, text: str, kind: object) -> object:
    if kind is bool:
        if text.lower() not in ("0", "1", "true", "false", "yes", "no"):
            raise ConfigError(f"{variable} is {text!r}; it takes 1 or 0")
        return text.lower() in ("1", "true", "yes")
    if kind is int:
        if not text.isdecimal():
            raise ConfigError(f"{variable} is {text!r}; it takes a whole number")
        return int(text)
    return Path(text) if kind is Path else text


def secret_key(settings: Settings) -> str:
    """The configured key, or one made at the first start and kept beside the database."""
    if settings.secret_key:
        return settings.secret_key
    path = settings.data / "secret_key"
    settings.data.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text()
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))
    return path.read_text()
