"""Everything an operator can set; each field's docstring is its documentation.

The environment beats the `.env` file of the working directory, and an empty value counts as not set. Only `app` and
`commands` read this module; `docs/generate.py` writes docs/configuration.md and .env.example from its fields.
"""

import difflib
import os
import re
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit, urlunsplit

import platformdirs
from dotenv import dotenv_values
from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from holdfast.errors import StartRefused

SECRETS = ("OPENROUTER_API_KEY", "DATABASE_URL", "REDIS_URL")
"""Never shown, and also taken from the file that `<name>_FILE` names."""

_DOTENV = ".env"
_OPENROUTER = "openrouter.ai"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_SHOWN = 80  # characters of a wrong value that are repeated to the operator


@dataclass(frozen=True, slots=True)
class Rule:
    """What a value must be, in words that follow "must be", and the default where it has to be told in words."""

    allowed: str
    default: str = ""


class _Refused(ValueError):
    """A value is wrong for a reason that its rule does not tell."""


def _require(holds: object, reason: str = "") -> None:
    """Refuse a value; without a reason its `Rule` is quoted."""
    if not holds:
        raise _Refused(reason)


def _url(text: str) -> str:
    """An http(s) address without a slash at its end; a password in it would be shown in places."""
    parts = urlsplit(text)
    _require(parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0)
    _require(text.isascii() and not any(mark in text for mark in "?# "))
    _require("@" not in parts.netloc, "must not carry a name or a password")
    return urlunsplit(parts._replace(netloc=parts.netloc.lower(), path=parts.path.rstrip("/")))


def _database(secret: SecretStr) -> SecretStr:
    """`postgres://` and `postgresql://` are the same; SQLite is given a file, not the memory."""
    scheme, _, rest = secret.get_secret_value().partition("://")
    _require(scheme in {"sqlite", "postgres", "postgresql"} and rest.strip("/"))
    if scheme != "sqlite":
        return SecretStr(f"postgresql://{rest}")
    _require(rest.startswith("/") and ":memory:" not in rest)
    return secret


def _redis(secret: SecretStr) -> SecretStr:
    parts = urlsplit(secret.get_secret_value())
    _require(parts.path if parts.scheme == "unix" else parts.scheme in {"redis", "rediss"} and parts.hostname)
    return secret


def _key(secret: SecretStr) -> SecretStr:
    """A key travels in a header, so a stray line end is dropped and the rest is visible ASCII."""
    key = secret.get_secret_value().strip()
    _require(key and all("!" <= letter <= "~" for letter in key))
    return SecretStr(key)


def _host(text: str) -> str:
    host = text.strip("[]").lower()
    _require(
        host == "localhost" or ip_address(host).is_loopback,
        "must be a loopback address such as 127.0.0.1: whoever reaches Holdfast is taken for its owner, "
        "as accounts for more people do not exist yet",
    )
    return host


def _mode(mode: str) -> str:
    _require(mode != "shared", "must be personal: accounts for more people do not exist yet")
    return mode


def _names(text: object) -> object:
    """Host names between commas. Their ports are dropped, as a proxy may listen anywhere."""
    if not isinstance(text, str):
        return text
    return frozenset(_name(entry.strip()) for entry in text.split(",") if entry.strip())


def _name(entry: str) -> str:
    bare_ipv6 = entry.count(":") > 1 and not entry.startswith("[")
    name = urlsplit(f"//[{entry}]" if bare_ipv6 else f"//{entry}").hostname
    _require(name and not set(entry) & set("/@?#* "))
    return str(name)


def _networks(text: str) -> str:
    for network in text.split(",") if text != "*" else ():
        ip_network(network.strip(), strict=False)
    return text


def _directory(path: Path) -> Path:
    return path.expanduser().absolute()


def _sqlite(values: dict[str, Any]) -> SecretStr:
    return SecretStr(f"sqlite:///{values['data_dir'] / 'holdfast.sqlite3'}")


_Folded = BeforeValidator(str.lower)
Url = Annotated[str, AfterValidator(_url), Rule("an http:// or https:// address without a query")]
Switch = Annotated[bool, Rule("on or off; true, false, 1 and 0 are understood too")]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False), Rule("a number of seconds above 0")]


class Settings(BaseSettings):
    """How this process was told to run."""

    model_config = SettingsConfigDict(
        case_sensitive=True,
        env_file=_DOTENV,
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        use_attribute_docstrings=True,
        validate_default=False,
    )

    openrouter_api_key: Annotated[
        SecretStr | None, AfterValidator(_key), Rule("a key without blanks", "none: the demo answers")
    ] = Field(None, validation_alias="OPENROUTER_API_KEY")
    """The key that answers are asked for with, from openrouter.ai/keys. Without one the built-in demo answers, and
    the page says how to set a key. A server of your own that asks for no key takes any word."""

    openrouter_base_url: Url = Field("https://openrouter.ai/api/v1", validation_alias="OPENROUTER_BASE_URL")
    """Where completions come from: OpenRouter, or any OpenAI-compatible server such as Ollama, vLLM, llama.cpp, LM
    Studio or LiteLLM, with the path that its API begins at."""

    provider: Annotated[Literal["auto", "openrouter", "openai"], _Folded, Rule("auto, openrouter or openai")] = Field(
        "auto", validation_alias="HOLDFAST_PROVIDER"
    )
    """The dialect that the server at `OPENROUTER_BASE_URL` speaks. `auto`: `openrouter` for OpenRouter's own host and
    for a server that lists prices and modalities as OpenRouter does, `openai` for any other. OpenRouter's own fields,
    fallback models and the question afterwards what an answer cost go to `openrouter` alone."""

    attribution: Switch = Field(default=True, validation_alias="HOLDFAST_ATTRIBUTION")
    """Tell the provider which application asks, with the headers `HTTP-Referer` and `X-OpenRouter-Title`. They name
    Holdfast, never a person."""

    transport: Annotated[Literal["aiohttp", "httpx"], _Folded, Rule("aiohttp or httpx")] = Field(
        "aiohttp", validation_alias="HOLDFAST_TRANSPORT"
    )
    """What carries requests to the provider. `aiohttp` takes less than half the processor time for each token;
    `httpx` is the way out should a proxy not get on with it."""

    host: Annotated[str, AfterValidator(_host), Rule("a loopback address such as 127.0.0.1")] = Field(
        "127.0.0.1", validation_alias="HOST"
    )
    """The address to listen on. For now only this machine: whoever reaches Holdfast is its owner."""

    port: Annotated[int, Field(ge=0, le=65535), Rule("a whole number from 0 to 65535")] = Field(
        8000, validation_alias="PORT"
    )
    """The port to listen on; 0 takes a free one."""

    public_url: Annotated[Url | None, Rule("an http:// or https:// address without a query", "none")] = Field(
        None, validation_alias="HOLDFAST_PUBLIC_URL"
    )
    """The address people use when a proxy stands in front. TLS, host and sub-path follow from it."""

    allowed_hosts: Annotated[
        frozenset[str],
        NoDecode,
        BeforeValidator(_names),
        Rule("host names separated by commas", "loopback, and the host of `HOLDFAST_PUBLIC_URL`"),
    ] = Field(frozenset(), validation_alias="HOLDFAST_ALLOWED_HOSTS")
    """Further `Host` headers that are believed. Ports are ignored. Any other is refused, which keeps a foreign page
    from reaching Holdfast under a name of its own."""

    forwarded_allow_ips: Annotated[str, AfterValidator(_networks), Rule("IP addresses or networks, or *")] = Field(
        "127.0.0.1", validation_alias="FORWARDED_ALLOW_IPS"
    )
    """The proxies whose `X-Forwarded-*` headers are believed, separated by commas; `*` believes everybody."""

    data_dir: Annotated[
        Path, AfterValidator(_directory), Rule("the path of a directory", "the platform's directory for user data")
    ] = Field(default_factory=lambda: platformdirs.user_data_path("holdfast"), validation_alias="HOLDFAST_DATA_DIR")
    """Where the database is kept. One process at a time may use it."""

    database_url: Annotated[
        SecretStr,
        AfterValidator(_database),
        Rule("sqlite:///path, postgres://… or postgresql://…", "an SQLite file in `HOLDFAST_DATA_DIR`"),
    ] = Field(default_factory=_sqlite, validation_alias="DATABASE_URL")
    """The database. `postgres://` and `postgresql://` both mean PostgreSQL. One process at a time may use it."""

    redis_url: Annotated[
        SecretStr | None, AfterValidator(_redis), Rule("redis://…, rediss://… or unix://…", "none")
    ] = Field(None, validation_alias="REDIS_URL")
    """A Redis or Valkey server, through which several processes are to share live answers. Not used yet."""

    mode: Annotated[
        Literal["personal", "shared"],
        _Folded,
        AfterValidator(_mode),
        Rule("personal", "`personal` on a loopback `HOST`"),
    ] = Field("personal", validation_alias="HOLDFAST_MODE")
    """`personal`: whoever reaches Holdfast is its one owner, without signing in. `shared`, with guests and accounts,
    does not exist yet and is refused."""

    guests: Annotated[Literal["off", "free", "all"], _Folded, Rule("off, free or all")] = Field(
        "free", validation_alias="HOLDFAST_GUESTS"
    )
    """In shared mode, what people without an account may do: nothing, use models that cost nothing, or all. Not used
    yet, as shared mode is to come."""

    memory: Switch = Field(default=True, validation_alias=AliasChoices("HOLDFAST_MEMORY", "ENABLE_MEMORY_SYSTEM"))
    """Remember what matters about a person. `ENABLE_MEMORY_SYSTEM` is another name for it. Not used yet."""

    title_model: Annotated[str | None, Field(pattern=r"^\S+$"), Rule("a model id, or off", "the model of preset 6")] = (
        Field(None, validation_alias="HOLDFAST_TITLE_MODEL")
    )
    """The model that names conversations, on a server without preset 6's model the one that answered. Where it fails,
    one more is asked: the first listed that costs nothing. `off`: the title is the first words of the message."""

    first_token_limit: Seconds = Field(120.0, validation_alias="HOLDFAST_FIRST_TOKEN_LIMIT")
    """How long a provider may take until its first token, in seconds."""

    idle_limit: Seconds = Field(60.0, validation_alias="HOLDFAST_IDLE_LIMIT")
    """How long a provider may be silent between two tokens, in seconds. Its keep-alive comments count as silence."""

    answer_limit: Seconds = Field(900.0, validation_alias="HOLDFAST_ANSWER_LIMIT")
    """How long one answer may take as a whole, in seconds. What arrived until then is kept."""

    heartbeat: Annotated[
        float, Field(gt=0, le=15, allow_inf_nan=False), Rule("a number of seconds above 0, at most 15")
    ] = Field(15.0, validation_alias="HOLDFAST_HEARTBEAT")
    """How often a silent stream says that it is alive, in seconds, so that no proxy closes it."""

    drain_limit: Annotated[float, Field(ge=0, allow_inf_nan=False), Rule("a number of seconds, 0 or more")] = Field(
        20.0, validation_alias="HOLDFAST_DRAIN_LIMIT"
    )
    """How long a stopping server lets running answers finish, in seconds; then they end as interrupted, their text
    kept."""

    limits: Switch = Field(default=True, validation_alias="HOLDFAST_LIMITS")
    """The limit on answers that are written at once. `off` lifts it, for load tests."""

    max_running: Annotated[int, Field(ge=1), Rule("a whole number, 1 or more")] = Field(
        1000, validation_alias="HOLDFAST_MAX_RUNNING"
    )
    """How many answers this process writes at once; the next one is refused and asked to come back."""

    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], _Folded, Rule("debug, info, warning or error")
    ] = Field("info", validation_alias="HOLDFAST_LOG_LEVEL")
    """The least important kind of line that is logged. Nobody's text and no secret is logged at any level."""

    @property
    def database_path(self) -> Path | None:
        """The SQLite file; None where the database is PostgreSQL's."""
        scheme, _, path = self.database_url.get_secret_value().partition("://")
        return Path(f"/{path.lstrip('/')}") if scheme == "sqlite" else None

    @property
    def dialect(self) -> Literal["openrouter", "openai", "auto"]:
        """What the provider speaks; `auto` where its host does not tell and its list of models will."""
        if self.provider != "auto":
            return self.provider
        host = urlsplit(self.openrouter_base_url).hostname or ""
        return "openrouter" if host == _OPENROUTER or host.endswith(f".{_OPENROUTER}") else "auto"

    @property
    def hosts(self) -> frozenset[str]:
        """Every host name that a request may be addressed to, without ports."""
        public = urlsplit(self.public_url or "").hostname
        return _LOOPBACK | {self.host} | self.allowed_hosts | ({public} if public else set())


def names(field: FieldInfo) -> list[str]:
    """The variables that set a field, the preferred one first."""
    alias = field.validation_alias
    return [str(choice) for choice in alias.choices] if isinstance(alias, AliasChoices) else [str(alias)]


def rule(field: FieldInfo) -> Rule:
    """What a field's value must be."""
    return next(mark for mark in field.metadata if isinstance(mark, Rule))


def load() -> Settings:
    """Read the settings. Raises StartRefused with a line for each one that is wrong."""
    try:
        layers = _layers()
    except (OSError, UnicodeDecodeError) as error:
        raise StartRefused(f"{_DOTENV}: cannot be read as UTF-8 text") from error
    secrets, problems = _secrets(layers)
    try:
        settings = Settings(**secrets)
    except ValidationError as error:
        problems += [
            _line(problem, layers) for problem in error.errors() if problem["type"] != "default_factory_not_called"
        ]
        raise StartRefused("\n".join(problems)) from None  # pydantic's own words would repeat a secret
    if problems:
        raise StartRefused("\n".join(problems))
    return settings


def unknown() -> list[str]:
    """A line for each HOLDFAST_ variable that is not a setting, with the nearest that is."""
    known = [name for field in Settings.model_fields.values() for name in names(field)]
    lines = []
    for name in sorted({name for layer in _layers() for name in layer if name.startswith("HOLDFAST_")} - set(known)):
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
        lines.append(f"{name} is not a setting" + (f"; did you mean {near[0]}?" if near else "."))
    return lines


def _layers() -> list[dict[str, str]]:
    """What is set in the environment and in the `.env` file: the first that names a variable decides."""
    dotenv = dotenv_values(_DOTENV, encoding="utf-8")
    return [dict(os.environ), {name: value for name, value in dotenv.items() if value}]


def _secrets(layers: list[dict[str, str]]) -> tuple[dict[str, Any], list[str]]:
    """The secrets that stand in files, and what is wrong with those files."""
    found: dict[str, Any] = {}
    problems = []
    for name in SECRETS:
        layer = next((layer for layer in layers if layer.get(name) or layer.get(f"{name}_FILE")), {})
        path = layer.get(f"{name}_FILE")
        if not path:
            continue
        if layer.get(name):
            problems.append(f"{name}: is set twice, also by {name}_FILE; keep one of the two")
            continue
        try:
            found[name] = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            problems.append(f"{name}_FILE={path}: must be a readable text file")
    return found, problems


def _line(problem: ErrorDetails, layers: list[dict[str, str]]) -> str:
    """One wrong setting: the name it was set by, its value, what is allowed."""
    field = next(field for field in Settings.model_fields.values() if problem["loc"][0] in names(field))
    name = next((name for name in names(field) if any(layer.get(name) for layer in layers)), names(field)[0])
    cause = problem.get("ctx", {}).get("error")
    reason = str(cause) if isinstance(cause, _Refused) else ""
    shown = "********" if name in SECRETS else _show(str(problem["input"]))
    return f"{name}={shown}: {reason or f'must be {rule(field).allowed}'}"


def _show(value: str) -> str:
    """A value on one line; a password in an address is masked."""
    value = re.sub(r"(?<=//)[^/@]*(?=@)", "***", value)
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in value[:_SHOWN])
