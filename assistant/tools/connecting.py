"""Turn the connection to a real home on and off: the address in the settings, the token encrypted with the history.

Whatever is changed here takes effect at the next start, since the process that may use the network is started before
the lock. `remember_to_resume` notes the conversation that the screen shall open then.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from assistant import config
from assistant.addresses import own_network
from assistant.config import HomeGateway
from assistant.errors import UsageError
from assistant.tools.opening import SECRET, SEEN, TOKEN, Secret
from assistant.tools.records import Records

_RESUME: Final = "resume"


class Resume(msgspec.Struct, frozen=True):
    conversation_id: str


def place_of(text: str) -> HomeGateway:
    """ "192.168.1.20" or "192.168.1.20:8123" as a place. Raises UsageError."""
    address, port = text.strip(), "8123"
    if text.count(":") == 1:
        address, _, port = text.strip().partition(":")
    if not own_network(address) or not port.isdecimal() or not 0 < int(port) < 65536:
        raise UsageError(f"{text.strip()!r} is not an IP address of a private network, such as 192.168.1.20:8123")
    return HomeGateway(address, int(port))


def connect(records: Records, settings_file: Path, place: HomeGateway, token: str) -> None:
    """Keep the token and the place. Raises UsageError without a token, SettingsError, HistoryError."""
    if not token:
        raise UsageError("a token is needed: make one in Home Assistant, in your profile under Security")
    settings = config.load(settings_file)
    records.put(SECRET, TOKEN, Secret(token))
    config.save(config.changed(settings, gateway=place), settings_file)


def disconnect(records: Records, settings_file: Path) -> None:
    """Forget place, token and what was seen."""
    records.delete(SECRET, TOKEN)
    records.delete(SEEN, TOKEN)
    config.save(config.changed(config.load(settings_file), gateway=None), settings_file)


def remember_to_resume(records: Records, conversation_id: str) -> None:
    records.put(_RESUME, _RESUME, Resume(conversation_id))


def to_resume(records: Records) -> str:
    """The conversation noted before the restart, once; "" if there is none."""
    noted = records.get(_RESUME, _RESUME, Resume)
    if noted is not None:
        records.delete(_RESUME, _RESUME)
    return noted.conversation_id if noted else ""
