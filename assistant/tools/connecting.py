"""Turn the connection to a real home on and off: the address in the settings, the token encrypted with the history.

Whatever is changed here takes effect at the next start, since the process that may use the network is started before
the lock. `remember_to_resume` notes the conversation that the screen shall open then.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from assistant import config
from assistant.addresses import LOOK_ONLY, place
from assistant.config import HomeGateway
from assistant.errors import UsageError
from assistant.gateway.start import DEFAULT_PORT
from assistant.tools.opening import SECRET, SEEN, TOKEN, Secret
from assistant.tools.records import Records

_RESUME: Final = "resume"


class Resume(msgspec.Struct, frozen=True):
    conversation_id: str


def place_of(text: str, port: int = 0) -> HomeGateway:
    """ "192.168.1.20", "192.168.1.20:8123" or "https://192.168.1.20" as a place; by https the certificate is still to
    be looked at (LOOK_ONLY). `port` counts where the text says none. Raises UsageError."""
    found = place(text)
    if found is None or not 0 <= port < 65536:
        raise UsageError(f"{text.strip()!r} is not an IP address of a private network, such as 192.168.1.20:8123")
    address, said, https = found
    return HomeGateway(address, said or port or DEFAULT_PORT, fingerprint=LOOK_ONLY if https else "")


def connect(records: Records, settings_file: Path, at: HomeGateway, token: str) -> None:
    """Keep the token and the place. Raises UsageError without a token, SettingsError, HistoryError."""
    if not token:
        raise UsageError("a token is needed: make one in Home Assistant, in your profile under Security")
    require_compared(at)
    settings = config.load(settings_file)
    records.put(SECRET, TOKEN, Secret(token))
    config.save(config.changed(settings, gateway=at), settings_file)


def require_compared(at: HomeGateway) -> None:
    """Raises UsageError for a place by https whose certificate nobody has compared."""
    if at.fingerprint == LOOK_ONLY:
        host = f"[{at.address}]" if ":" in at.address else at.address
        raise UsageError(
            f"its certificate has to be compared first: run `assistant home connect https://{host}:{at.port}` in a "
            "terminal, then start the assistant again"
        )


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
