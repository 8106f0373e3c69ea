"""The settings: what an operator may write, what is refused, and that no secret is repeated."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from holdfast import config
from holdfast.errors import StartRefused

KNOWN = [name for field in config.Settings.model_fields.values() for name in config.names(field)]


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [*KNOWN, *(f"{name}_FILE" for name in config.SECRETS)]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def given(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def refusal() -> list[str]:
    with pytest.raises(StartRefused) as refused:
        config.load()
    return str(refused.value).splitlines()


def test_nothing_needs_to_be_set() -> None:
    settings = config.load()
    assert (settings.host, settings.port, settings.mode) == ("127.0.0.1", 8000, "personal")
    assert settings.openrouter_api_key is None
    assert settings.data_dir.is_absolute()
    assert settings.database_url.get_secret_value() == f"sqlite:///{settings.data_dir}/holdfast.sqlite3"
    assert config.unknown() == []


def test_a_setting_cannot_be_changed_afterwards() -> None:
    settings = config.load()
    with pytest.raises(ValidationError):
        settings.port = 1  # type: ignore[misc]


def test_the_environment_beats_the_file_and_an_empty_value_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("PORT=1\nHOLDFAST_GUESTS=all\nHOLDFAST_LIMITS=\nOTHER_PROGRAM=x\n", encoding="utf-8")
    given(monkeypatch, PORT="2", HOLDFAST_GUESTS="")
    settings = config.load()
    assert (settings.port, settings.guests, settings.limits) == (2, "all", True)


@pytest.mark.parametrize(
    ("word", "meaning"),
    [("on", True), ("true", True), ("1", True), ("ON", True), ("off", False), ("false", False), ("0", False)],
)
def test_a_switch_understands(monkeypatch: pytest.MonkeyPatch, word: str, meaning: bool) -> None:  # noqa: FBT001
    given(monkeypatch, HOLDFAST_MEMORY=word)
    assert config.load().memory is meaning


def test_memory_has_a_second_name(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, ENABLE_MEMORY_SYSTEM="off")
    assert config.load().memory is False
    given(monkeypatch, ENABLE_MEMORY_SYSTEM="maybe")
    assert refusal() == ["ENABLE_MEMORY_SYSTEM=maybe: must be on or off; true, false, 1 and 0 are understood too"]


@pytest.mark.parametrize("url", ["postgres://u:p@db/h", "postgresql://u:p@db/h"])
def test_both_names_of_postgresql_mean_the_same(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    given(monkeypatch, DATABASE_URL=url)
    assert config.load().database_url.get_secret_value() == "postgresql://u:p@db/h"


@pytest.mark.parametrize(
    ("base", "provider", "dialect"),
    [
        ("", "", "openrouter"),
        ("https://eu.OpenRouter.ai/api/v1/", "auto", "openrouter"),
        ("http://localhost:11434/v1", "", "auto"),
        ("https://notopenrouter.ai/v1", "", "auto"),
        ("https://openrouter.ai/api/v1", "openai", "openai"),
        ("http://localhost:1/v1", "OpenRouter", "openrouter"),
    ],
)
def test_the_dialect_follows_the_host(monkeypatch: pytest.MonkeyPatch, base: str, provider: str, dialect: str) -> None:
    given(monkeypatch, OPENROUTER_BASE_URL=base, HOLDFAST_PROVIDER=provider)
    settings = config.load()
    assert settings.dialect == dialect
    assert not settings.openrouter_base_url.endswith("/")


def test_hosts_are_loopback_the_public_one_and_those_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    given(
        monkeypatch,
        HOST="[::1]",
        HOLDFAST_PUBLIC_URL="https://Chat.Example/sub/",
        HOLDFAST_ALLOWED_HOSTS="A.example:80, ::2,[::3]:1,",
    )
    settings = config.load()
    assert settings.host == "::1"
    assert settings.public_url == "https://chat.example/sub"
    assert settings.hosts == {"localhost", "127.0.0.1", "::1", "chat.example", "a.example", "::2", "::3"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENROUTER_API_KEY", "sk or"),
        ("OPENROUTER_BASE_URL", "openrouter.ai/api/v1"),
        ("OPENROUTER_BASE_URL", "http://host/v1?key=1"),
        ("OPENROUTER_BASE_URL", "http://host:99999/"),
        ("HOST", "example.org"),
        ("HOST", "0.0.0.0"),
        ("HOST", "::"),
        ("PORT", "-1"),
        ("PORT", "65536"),
        ("PORT", "http"),
        ("DATABASE_URL", "mysql://host/name"),
        ("DATABASE_URL", "sqlite://"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("DATABASE_URL", "postgresql+asyncpg://host/name"),
        ("REDIS_URL", "localhost:6379"),
        ("REDIS_URL", "unix://"),
        ("FORWARDED_ALLOW_IPS", "proxy"),
        ("HOLDFAST_PUBLIC_URL", "ftp://host"),
        ("HOLDFAST_ALLOWED_HOSTS", "*.example.org"),
        ("HOLDFAST_ALLOWED_HOSTS", "http://example.org"),
        ("HOLDFAST_MODE", "shared"),
        ("HOLDFAST_MODE", "public"),
        ("HOLDFAST_GUESTS", "some"),
        ("HOLDFAST_LIMITS", "2"),
        ("HOLDFAST_TITLE_MODEL", "two words"),
        ("HOLDFAST_PROVIDER", "anthropic"),
        ("HOLDFAST_TRANSPORT", "requests"),
        ("HOLDFAST_IDLE_LIMIT", "0"),
        ("HOLDFAST_FIRST_TOKEN_LIMIT", "nan"),
        ("HOLDFAST_ANSWER_LIMIT", "inf"),
        ("HOLDFAST_DRAIN_LIMIT", "-1"),
        ("HOLDFAST_HEARTBEAT", "15.1"),
        ("HOLDFAST_MAX_RUNNING", "0"),
        ("HOLDFAST_LOG_LEVEL", "loud"),
    ],
)
def test_a_wrong_value_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    given(monkeypatch, **{name: value})
    (line,) = refusal()
    assert line.startswith(f"{name}={'********' if name in config.SECRETS else value}: must ")


def test_every_problem_gets_its_line_and_a_lost_default_none(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, PORT="x", HOST="0.0.0.0", OPENROUTER_API_KEY_FILE="gone")
    lines = refusal()
    assert [line.split(":")[0].split("=")[0] for line in lines] == ["OPENROUTER_API_KEY_FILE", "HOST", "PORT"]
    assert "accounts for more people do not exist yet" in lines[1]


def test_no_secret_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    given(
        monkeypatch,
        OPENROUTER_API_KEY="canary 1",
        DATABASE_URL="mysql://me:canary@host",
        REDIS_URL="canary",
        OPENROUTER_BASE_URL="https://me:canary@host/v1",
    )
    with pytest.raises(StartRefused) as refused:
        config.load()
    assert len(str(refused.value).splitlines()) == 4
    assert "canary" not in str(refused.value)
    assert refused.value.__cause__ is None
    given(monkeypatch, OPENROUTER_API_KEY="canary", DATABASE_URL="", REDIS_URL="", OPENROUTER_BASE_URL="")
    assert "canary" not in repr(config.load())


def test_a_wrong_value_cannot_forge_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, HOLDFAST_GUESTS="a\nPORT=1: fine\x1b[2J" + "b" * 1000)
    (line,) = refusal()
    assert "\x1b" not in line
    assert len(line) < 200


@pytest.mark.parametrize("name", config.SECRETS)
def test_a_secret_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    value = {"DATABASE_URL": "postgresql://db/h", "REDIS_URL": "redis://r"}.get(name, "sk-or-1")
    Path("secret").write_text(f"{value}\n", encoding="utf-8")
    given(monkeypatch, **{f"{name}_FILE": "secret"})
    assert getattr(config.load(), name.lower()).get_secret_value() == value


def test_the_layer_that_names_a_secret_first_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("secret").write_text("from-file", encoding="utf-8")
    Path(".env").write_text("OPENROUTER_API_KEY=from-dotenv\n", encoding="utf-8")
    given(monkeypatch, OPENROUTER_API_KEY_FILE="secret")
    settings = config.load()
    assert settings.openrouter_api_key
    assert settings.openrouter_api_key.get_secret_value() == "from-file"
    given(monkeypatch, OPENROUTER_API_KEY="from-environment")
    assert refusal() == ["OPENROUTER_API_KEY: is set twice, also by OPENROUTER_API_KEY_FILE; keep one of the two"]


def test_an_unreadable_file_of_settings_is_refused() -> None:
    Path(".env").write_bytes(b"PORT=\xff\n")
    assert refusal() == [".env: cannot be read as UTF-8 text"]


def test_a_misspelt_variable_is_named_with_its_neighbour(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("HOLDFAST_ZZZ=\nHOLDFAST_QQQ=1\n", encoding="utf-8")
    given(monkeypatch, HOLDFAST_MEMROY="on")
    config.load()
    assert config.unknown() == [
        "HOLDFAST_MEMROY is not a setting; did you mean HOLDFAST_MEMORY?",
        "HOLDFAST_QQQ is not a setting.",
    ]


def test_the_import_brings_no_server_and_no_database() -> None:
    heavy = "fastapi", "sqlalchemy", "uvicorn", "aiohttp", "httpx2"
    code = f"import sys, holdfast.config; print(*set({heavy}) & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout.strip() == b""
