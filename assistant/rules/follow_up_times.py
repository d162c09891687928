"""What refers back to a timer, an alarm or a reminder: "make it 8", "and again in 40 minutes", "add five more"."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from typing import Final

from assistant.quantities import find
from assistant.quantities.asked import length
from assistant.rules.of_alarms import only_times, shift_s, without_day
from assistant.rules.table import ruled
from assistant.tools.calls import Call


def of_time(last: Call, family: str, words: str, now: datetime) -> Call | None:
    """What refers to a timer, an alarm or a reminder."""
    if m := re.fullmatch(
        r"(?:and )?(?:set |start |add )?another(?: one| timer| alarm)?,? (?:for|at|of) (.+)", words, re.I
    ):
        found = ruled(f"set a timer for {m[1]}" if family == "timer" else f"set an alarm at {m[1]}", now)
        opening = {"timer": "timer.start", "alarm": "alarm.set"}.get(family)
        if found and found[0].tool == opening:
            return Call(found[0].tool, found[0].arguments, source="follow-up")
    if family != "timer":
        if re.fullmatch(_HOW_LONG_TILL, words, re.I):
            return Call(f"{family}.list", source="follow-up")
        if m := re.fullmatch(_ONE_OF_THEM, words, re.I):
            return Call(f"{family}.cancel", {"words": m["which"]}, source="follow-up")
        moved = re.match(MOVING, words, re.I) or re.fullmatch(_CORRECTING, words, re.I)
        shifted = re.match(_SHIFTING, words, re.I)
        if shifted and re.search(_WHICH_WAY, words, re.I) and (by_s := shift_s(words, shifted[1], now)):
            return Call(f"{family}.change", {"by_s": by_s, **_which(last)}, source="follow-up")
        return _moved(last, family, moved[1], now) if moved else None
    if m := re.fullmatch(r"(?:and )?(?:another )?(.+?) for the ([a-z][\w' -]{1,29})", words, re.I):
        started = _timer_call("timer.start", m[1], now)
        return replace(started, arguments={**started.arguments, "name": m[2]}) if started else None
    if m := re.match(r"(?:make it|change it to|set it to|no,? make it|i meant)\s+(.+)", words, re.I):
        told = [unit for unit in ("hours", "minutes", "seconds") if last.arguments.get(unit)]
        bare = m[1] if len(told) == 1 and re.fullmatch(r"\d{1,3}", m[1]) else ""  # of what the timer was told in
        return _timer_call("timer.change", f"{bare} {told[0]}" if bare else m[1], now)
    if m := re.match(
        r"(?:add|another|give me|plus|(?:extend|increase|prolong) it by)\s+(.+?)(?:\s+more)?$", words, re.I
    ):
        return _timer_call("timer.increase", m[1], now)
    if re.fullmatch(_WHICH_NEXT, words, re.I):
        return Call("timer.status", source="follow-up")
    named = {"name": last.arguments["name"]} if last.arguments.get("name") else {}
    if m := re.fullmatch(_PAUSING, words, re.I):
        return Call("timer.pause" if m[1].casefold() == "pause" else "timer.resume", named, source="follow-up")
    if m := re.fullmatch(r"(?:call|name|rename|label) (?:it|that)(?: to| as)? (.+)", words, re.I):
        return Call("timer.rename", {**named, "new_name": m[1]}, source="follow-up")
    called = str(last.arguments.get("new_name") or last.arguments.get("name") or "")
    if called and re.fullmatch(rf"(?:cancel|stop|end|delete|remove) (?:the |my )?{re.escape(called)}", words, re.I):
        return Call("timer.cancel", {"name": called}, source="follow-up")
    if re.fullmatch(r"how (?:much|long)(?: time)?(?: is)?(?: longer| left| more)?(?: is left)?|time left", words, re.I):
        return Call("timer.status", source="follow-up")
    return None


def set_again(last: Call, text: str, now: datetime) -> Call | None:
    """The same reminder, or an alarm, at another time too: "and again in 40 minutes", "and 9 on weekends"."""
    words = " ".join(text.split()).strip(" .!?")
    for pattern in _ONCE_MORE:
        if m := re.fullmatch(pattern, words, re.IGNORECASE):
            when = m["when"] if m["when"][0].isalpha() else f"at {m['when']}"
            if last.tool != "reminder.set" and not only_times(when, now):
                return None
            if last.tool != "reminder.set":
                set_too = [r for r in ruled(f"set an alarm {when}", now) if r.tool == "alarm.set"]
                return Call("alarm.set", set_too[0].arguments, source="follow-up") if set_too else None
            found = ruled(f"remind me {when} to look", now)
            if found and found[0].arguments.get("message") == "look" and (at := found[0].arguments.get("at")):
                return replace(last, arguments={**last.arguments, "at": at}, source="follow-up")
    return None


_WHEN: Final = r"(?P<when>(?:in|at|on|tomorrow|tonight|today|next|this|\w+day|\d)\b.*?)"
_ONCE_MORE: Final = (
    rf"(?:and |also )*(?:again|once more|another one|one more) {_WHEN}(?: too| as well)?",
    rf"(?:and |also )*{_WHEN} (?:again|too|as well|once more)",
    rf"and (?:also |remind me )*{_WHEN}",
)


def _which(last: Call) -> dict[str, str]:
    """Which alarm or reminder was just set: by its time."""
    before = str(last.arguments.get("at") or "")
    return {"words": before.partition("T")[2][:5]} if before else {}


def _timer_call(tool: str, words: str, now: datetime) -> Call | None:
    found = find(words, now, ("duration",))
    whole = found and found[0].start == 0 and found[0].end == len(words.rstrip(" .!"))
    return Call(tool, length(found[0].value), source="follow-up") if whole else None


_SHIFTING: Final = (
    r"(?:(?:make|move|push|put|shift|bring|delay|postpone) (?:it|that) )?(?:back |forward )?(?:by )?"
    r"((?:an?|half|\d|\w+ (?:min|hour)).*?)$"
)
_WHICH_WAY: Final = (  # "5 min" alone says nothing of an alarm
    r"\b(?:later|earlier|sooner|more|back|forward|by|move|push|put|shift|bring|delay|postpone)\b"
)
_WHICH_NEXT: Final = (
    r"which (?:one|timer)?(?: is| will)? ?(?:finish(?:es)?|ends?|rings?|goes off|done|up|next)(?: first| next)?"
)
_ONE_OF_THEM: Final = r"(?:cancel|delete|remove|(?:turn|switch) off) (?:the |my )?(?P<which>.+?) one"
_HOW_LONG_TILL: Final = (
    r"(?:how (?:long|much time|many hours) (?:is (?:it |that |there )?)?(?:until|till|before|to)(?: then| that| it)?"
    r"|(?:when|what time) is (?:that|it))"
)
_PAUSING: Final = r"(pause|resume|continue|unpause|restart)(?: (?:it|that|the timer))?"
MOVING: Final = r"(?:make|move|change|set|push|put|shift) (?:it|that) (?:back )?(?:to |for |at |by )?(.+)"

_CORRECTING: Final = (
    r"(?:no|sorry|actually|i (?:meant|mean|said)),? (?:i (?:meant|said) )?(?:at |for )?([\d:]+(?: ?[ap]\.?m)?)"
)


def _moved(last: Call, family: str, words: str, now: datetime) -> Call | None:
    """The alarm or reminder of the last action, at another time, or at the same on another day."""
    lasts = find(words, now, ("duration",))
    if lasts and not lasts[0].start and lasts[0].end == len(words):  # "wake me in 8 hours", "make that 7 and a half"
        words = f"in {words}"
    for opening in ("alarm for", "alarm at" if family == "alarm" else "remind me at"):
        found = ruled(f"{opening} {words}", now)
        kept = "day" if opening == "alarm for" else "at"
        if found and (given := found[0].arguments.get(kept)):
            told = given if kept == "day" else without_day(given, words, now)
            return Call(f"{family}.change", {kept: told, **_which(last)}, source="follow-up")
    return None
