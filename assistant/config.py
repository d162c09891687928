"""Settings: one TOML file, all keys known. A misspelt key is an error that names the nearest right one."""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import tomli_w

from assistant import durable
from assistant.addresses import is_fingerprint, own_network
from assistant.errors import SettingsError

DEFAULT_SYSTEM = (
    "You are a helpful assistant that runs on the user's own computer, without internet. Answer briefly and plainly."
)
_WRONG_TYPE = re.compile(r"Expected `(.+?)`, got `(.+?)` - at `\$\.(.+)`")
_TYPES = {
    "str": "text in quotes",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "null": "nothing",
}


class Persona(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A named system prompt."""

    name: str
    system: str


class HomeGateway(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where Home Assistant is: an IP address of the user's own network. `allowed` as in home.yaml. `fingerprint` is the
    SHA-256 of its certificate in hex where it is spoken to by https, "" for http."""

    address: str
    port: int = 8123
    allowed: tuple[str, ...] = ()
    fingerprint: str = ""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything a user can set; the defaults are the product's."""

    model: str = "auto"
    system: str = DEFAULT_SYSTEM
    personas: tuple[Persona, ...] = ()
    theme: str = "textual-dark"
    context_tokens: int = 4096
    max_tokens: int = 1024
    temperature: float = 0.3  # small models wander off at the usual 0.7
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    repeat_penalty: float = 1.05
    threads: int = 0  # 0: physical cores
    gpu_layers: int = -1  # -1: as many as the backend and its memory allow
    reply_deadline_s: float = 600.0
    gateway: HomeGateway | None = None  # None: no real home, and no process that may use the network
    model_chooses_tools: bool = True  # where no rule takes a request
    microphone: str = ""  # (a part of) a name of `assistant voice devices`; "" is the system's choice
    speaker: str = ""
    wake_word: str = ""  # "" listens to everything while talking
    push_to_talk: bool = False  # listen only between `assistant voice hold` and `release`
    spoken_language: str = "en"  # "auto" detects it


def load(path: Path) -> Settings:
    """Read the settings file; the defaults if there is none. Raises SettingsError with the line or key at fault."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    try:
        table = tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}; correct it or delete it") from error
    _refuse_unknown(table, path)
    try:
        settings = msgspec.convert(table, Settings)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{path}: {_in_words(error)}") from error
    _refuse_out_of_range(settings, path)
    return settings


def save(settings: Settings, path: Path) -> None:
    """Write only what differs from the defaults, atomically."""
    defaults = msgspec.to_builtins(Settings())
    changed = {k: v for k, v in msgspec.to_builtins(settings).items() if v != defaults[k]}
    durable.write_private(path, tomli_w.dumps(changed).encode())


def changed(settings: Settings, **fields: Any) -> Settings:
    """Settings with other values."""
    return msgspec.structs.replace(settings, **fields)


def _in_words(error: msgspec.ValidationError) -> str:
    """A wrong type as the user of a TOML file knows it: the setting first, then what it must be and what it is."""
    told = str(error)
    if (parts := _WRONG_TYPE.fullmatch(told)) is None:
        return told
    wanted, got, setting = parts.groups()
    names = [_TYPES.get(name.strip(), name) for name in wanted.split("|")]
    return f"{setting} must be {' or '.join(names)}, not {_TYPES.get(got, got)}"


def _refuse_unknown(table: dict[str, Any], path: Path) -> None:
    known = [f.name for f in msgspec.structs.fields(Settings)]
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
            raise SettingsError(f"{path}: unknown setting {key!r}; did you mean {near[0]!r}?")


def _refuse_out_of_range(settings: Settings, path: Path) -> None:
    limits = {
        "context_tokens": (256, 1_048_576),
        "max_tokens": (1, 1_048_576),
        "temperature": (0.0, 5.0),
        "top_k": (1, 1000),
        "top_p": (0.01, 1.0),
        "min_p": (0.0, 1.0),
        "repeat_penalty": (0.5, 3.0),
        "threads": (0, 1024),
        "reply_deadline_s": (1.0, 86_400.0),
    }
    if (gateway := settings.gateway) is not None:
        if not 0 < gateway.port < 65536:
            raise SettingsError(f"{path}: gateway.port = {gateway.port} is outside 1 to 65535")
        if not own_network(gateway.address):
            raise SettingsError(
                f"{path}: gateway.address = {gateway.address!r} is not an IP address of a private network, such as "
                "192.168.1.20"
            )
        if gateway.fingerprint and not is_fingerprint(gateway.fingerprint):
            raise SettingsError(f"{path}: gateway.fingerprint is no SHA-256 in 64 hex digits")
    for key, (low, high) in limits.items():
        value = getattr(settings, key)
        if not low <= value <= high:
            raise SettingsError(f"{path}: {key} = {value} is outside {low} to {high}")
