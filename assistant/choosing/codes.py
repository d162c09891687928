"""The short language of the adapters: one word names a tool and which of its arguments are copied from the request.

    "add oat milk to my groceries list"   ->   " add" oat milk ; groceries ;

A code is one token in the vocabulary of every base that has an adapter, so that choosing a tool is one look at the
logits behind the request. The arguments that follow are pieces of the request itself, in the order of `copied`, each
ended by END. Everything else (devices, rooms, numbers, times) is read from the request by code (arguments.py).
Adapters are trained on exactly this table: changing a word or an order needs new adapters (`quantize adapt`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

SEPARATOR: Final = "<|im_end|>"  # the control token between the request and the code
END: Final = ";"  # ends a copied argument
NO_TOOL: Final = "talk"  # nothing to do: the model answers in words
MAX_REQUEST_CHARS: Final = 300
_OUT: Final = str.maketrans({'"': " ", "“": " ", "”": " ", ";": ",", "\u2019": "'"})


@dataclass(frozen=True, slots=True)
class Code:
    """`word` stands for `tool`; `copied` are the arguments that the model copies from the request."""

    word: str
    tool: str
    copied: tuple[str, ...] = ()


_TABLE: Final = """
on home.turn_on
off home.turn_off
light home.light
position home.position
fan home.fan_speed
heat home.temperature
mode home.fan_mode
volume media.volume
step media.volume_step
play media.play search_query
pause media.pause
resume media.resume
next media.next
back media.previous
silent media.mute
sound media.unmute
vacuum vacuum.start
clean vacuum.clean
dock vacuum.dock
grass mower.start
home mower.dock
state home.state
tell home.announce message
warm home.read_temperature
weather home.weather
timer timer.start
named timer.start name
then timer.start conversation_command
cancel timer.cancel
drop timer.cancel name
none timer.cancel_all
more timer.increase
increase timer.increase name
less timer.decrease
decrease timer.decrease name
change timer.change
hold timer.pause
freeze timer.pause name
continue timer.resume
again timer.resume name
left timer.status
status timer.status name
stop timer.stop
wake alarm.set
sleep alarm.cancel
alarm alarm.list
remind reminder.set message
forget reminder.cancel words
plans reminder.list
meeting event.add title
event event.show
book event.remove title
sum calculator expression
convert units.convert value to
time clock.time
place clock.time place
date clock.date
day clock.day day
days clock.between end
between clock.between start end
until clock.until day
add list.add item
put list.add item name
check list.complete item
done list.complete item name
remove list.remove item
take list.remove item name
list list.read name
lists list.names
clear list.clear name
note note.add text
find note.find text
notes note.list
delete note.delete text
remember fact.remember text
recall fact.recall text
facts fact.list
ignore fact.forget text
power system.battery
memory system.memory
disk system.disk
load system.processor
model system.model
network system.network
news system.needs_network
help help
"""


def _read() -> dict[str, Code]:
    rows = [line.split() for line in _TABLE.strip().splitlines()]
    return {word: Code(word, tool, tuple(copied)) for word, tool, *copied in rows} | {NO_TOOL: Code(NO_TOOL, "")}


CODES: Final[dict[str, Code]] = _read()


def fingerprint() -> str:
    """Hash of the table, kept in an adapter's metadata: an adapter for another table is not used."""
    return hashlib.sha256(f"{_TABLE}{SEPARATOR}{END}{NO_TOOL}".encode()).hexdigest()[:16]


def normal(text: str) -> str:
    """A request as the adapters see it: one line in lower case, a space in front of every word, no end mark."""
    words = text[: 4 * MAX_REQUEST_CHARS].lower().translate(_OUT).split()
    return " " + " ".join(words).rstrip(" .!?")[:MAX_REQUEST_CHARS]
