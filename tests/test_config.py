"""Settings come from the environment, and a wrong one is told by its name."""

from dataclasses import fields
from pathlib import Path

import pytest

from app.config import PROJECT_ROOT, ConfigError, Settings, load_settings, secret_key


def test_the_environment_sets_what_it_names() -> None:
    settings = load_settings({"FALX_PORT": "9000", "FALX_HTTPS": "1", "FALX_DATA": "/srv/falx"})

    assert (settings.port, settings.https, settings.data) == (9000, True, Path("/srv/falx"))


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("FALX_PORT", "http", "FALX_PORT is 'http'; it takes a whole number"),
        ("FALX_HTTPS", "maybe", "FALX_HTTPS is 'maybe'; it takes 1 or 0"),
    ],
)
def test_a_wrong_value_is_told_by_its_variable(variable: str, value: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_settings({variable: value})


def test_an_override_without_a_setting_is_refused() -> None:
    with pytest.raises(ConfigError, match="no such setting: prot"):
        load_settings({}, {"prot": 1})


def test_the_secret_key_is_made_once_and_kept_private(tmp_path: Path) -> None:
    settings = load_settings({}, {"data": tmp_path})

    first, second = secret_key(settings), secret_key(settings)

    assert first == second
    assert len(first) == 64
    assert (tmp_path / "secret_key").stat().st_mode & 0o077 == 0


def test_the_readme_names_every_setting() -> None:
    readme = (PROJECT_ROOT / "README.md").read_text()

    for setting in fields(Settings):
        assert f"`FALX_{setting.name.upper()}`" in readme
