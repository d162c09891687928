"""Requests of people through the model's own way to a tool, rules off: SLURP, out of scope, quantities.

SLURP names intents of its own. Those that a tool of ours serves are scored by the tool; all others must start none.
Reading live facts and saying that they cannot be known here starts nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

from assistant.home.model import Home, simulated
from assistant.tools.calls import Call
from evals.tools_homes import rows
from evals.tools_intents import OUT_OF_SCOPE, Score, chosen

# SLURP's intent -> tools that serve it
SERVED: Final[dict[str, str]] = {
    "calendar_set": "event.add reminder.set alarm.set", "calendar_query": "event.show reminder.list",
    "calendar_remove": "event.remove reminder.cancel", "alarm_set": "alarm.set timer.start reminder.set",
    "alarm_query": "alarm.list", "alarm_remove": "alarm.cancel",
    "datetime_query": "clock.time clock.date clock.day clock.between clock.until", "datetime_convert": "clock.time",
    "lists_createoradd": "list.add", "lists_remove": "list.remove list.clear list.complete",
    "lists_query": "list.read list.names", "iot_hue_lightoff": "home.turn_off", "iot_hue_lighton": "home.turn_on",
    "iot_hue_lightchange": "home.light home.turn_on", "iot_hue_lightdim": "home.light", "iot_hue_lightup": "home.light",
    "iot_wemo_on": "home.turn_on", "iot_wemo_off": "home.turn_off", "iot_cleaning": "vacuum.start vacuum.clean",
    "iot_coffee": "home.turn_on", "audio_volume_mute": "media.mute media.volume",
    "audio_volume_up": "media.volume_step media.volume", "audio_volume_down": "media.volume_step media.volume",
    "play_music": "media.play media.resume media.next", "play_radio": "media.play home.turn_on",
    "play_podcasts": "media.play media.next media.resume", "play_audiobook": "media.play media.resume",
    "qa_maths": "calculator", "weather_query": "home.weather system.needs_network",
    "news_query": "system.needs_network", "qa_stock": "system.needs_network", "qa_currency": "system.needs_network",
    "transport_traffic": "system.needs_network",
}  # fmt: skip
# Rows that one may read either way: left out.
UNCLEAR: Final = frozenset({"music_settings", "music_query", "play_game", "general_greet"})
_STARTS_NOTHING: Final = frozenset(
    {
        "system.needs_network",
        "system.needs_hands",
        "system.keeps_history",
        "system.no_such_device",
        "home.weather",
        "help",
        "nevermind",
    }
)
_REFERENCE: Final = datetime(2016, 11, 7)
_SECONDS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}


class Picks(Protocol):
    """What chooses one call for a text at a time of day, or none."""

    def pick(self, text: str, home: Home, now: datetime) -> Any: ...


def slurp(data: Path, chooser: Picks, n: int, seed: int) -> tuple[Score, Score]:
    """(right tool for requests that are served, 1 for each other request that would have started a tool)."""
    served, others = Score(), Score()
    home, now = simulated(), datetime.now().astimezone()
    known = [r for r in rows(data / "intents" / "slurp.jsonl") if "_" in r["intent"] and r["intent"] not in UNCLEAR]
    for row in chosen(known, n, seed, "intent"):
        tool = tool_of(chooser.pick(row["text"], home, now))
        wanted = SERVED.get(row["intent"], "").split()
        if wanted:
            served.intent.append(float(tool in wanted))
            if tool not in wanted:
                served.wrong.append(f"{row['text']!r}: {tool or 'no tool'} for {row['intent']}")
        else:
            acted = bool(tool) and tool not in _STARTS_NOTHING
            others.right.append(float(acted))
            if acted:
                others.wrong.append(f"{row['text']!r}: {tool} for {row['intent']}")
    return served, others


def out_of_scope(data: Path, chooser: Picks, n: int, seed: int) -> Score:
    """1 for each request of CLINC's "oos" that would have started a tool."""
    score = Score()
    home, now = simulated(), datetime.now().astimezone()
    all_rows = [r for r in rows(data / "intents" / "clinc_assistant.jsonl") if r["intent"] == OUT_OF_SCOPE]
    for row in chosen(all_rows, n, seed, "intent"):
        tool = tool_of(chooser.pick(row["text"], home, now))
        acted = bool(tool) and tool not in _STARTS_NOTHING
        score.right.append(float(acted))
        if acted:
            score.wrong.append(f"{row['text']!r}: {tool}")
    return score


def quantities(data: Path, chooser: Picks, n: int, seed: int) -> Score:
    """Durations and temperatures of quantities_en inside a request: the tool and the value must be right."""
    score = Score()
    home = simulated()
    usable = [(text, value) for row in rows(data / "quantities" / "quantities_en.jsonl") for text, value in _asked(row)]
    for row in chosen([{"text": t, "value": v, "kind": v[0]} for t, v in usable], n, seed, "kind"):
        call = chooser.pick(row["text"], home, _REFERENCE)
        right = _means(call, *row["value"])
        score.right.append(float(right))
        if not right:
            score.wrong.append(f"{row['text']!r}: {call}, not {row['value'][1]:g}")
    return score


def tool_of(call: Any) -> str:
    return "" if call is None else str(call.tool if isinstance(call, Call) else call.name)


def _asked(row: dict[str, Any]) -> Iterable[tuple[str, tuple[str, float]]]:
    """Requests with what they mean, made of a row that has one value."""
    if row["kind"] == "duckling-duration":
        _, amount, unit = row["value"].split()
        if (seconds := _SECONDS.get(unit.casefold())) is not None:
            yield f"set a timer for {row['text']}", ("timer", float(amount) * seconds)
    elif row["kind"] == "duckling-temperature":
        if match := re.search(r"-?[\d.]+", row["value"]):
            yield f"set the heating to {row['text']}", ("heating", float(match.group()))
    elif row["kind"] in ("duration", "temperature") and len(row.get("results") or ()) == 1:
        found = row["results"][0]
        resolution = found.get("Resolution") or found.get("Value", {}).get("FutureResolution") or {}
        value = resolution.get("duration") or resolution.get("value")
        if value and value != "null":
            request = "set a timer for" if row["kind"] == "duration" else "set the heating to"
            yield f"{request} {found['Text']}", ("timer" if row["kind"] == "duration" else "heating", float(value))


def _means(call: Any, kind: str, value: float) -> bool:
    slots = {} if call is None else (call.arguments if isinstance(call, Call) else call.slots)
    tool = tool_of(call)
    if kind == "timer":
        total = sum(float(slots.get(k, 0)) * s for k, s in (("hours", 3600), ("minutes", 60), ("seconds", 1)))
        return tool in ("timer.start", "HassStartTimer") and abs(total - value) <= 1e-6 * max(1.0, value)
    given = slots.get("temperature")
    return tool in ("home.temperature", "HassClimateSetTemperature") and given is not None and float(given) == value
