"""What refers back to the last action, or answers a question that was asked back."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from typing import Final

from assistant.quantities import find
from assistant.quantities.asked import length
from assistant.rules.follow_up_again import again, moved_entry
from assistant.rules.follow_up_list import of_list
from assistant.rules.german_beyond import is_german_command
from assistant.rules.of_alarms import shift_s, without_day
from assistant.rules.table import is_question, plain, ruled
from assistant.tools.calculator import calculates
from assistant.tools.calls import Call

IT: Final = re.compile(r"\b(?:it|that|this|them)\b", re.IGNORECASE)  # what points back at something
INSTEAD: Final = re.compile(r",? (?:instead|rather|then|after all|(?:in )?there|in here)(?=[.!?]?$)", re.IGNORECASE)
WHERE: Final = ("name", "area", "floor", "domain", "device_class")


def answer_to_question(asked: tuple[Call, str] | None, text: str, now: datetime) -> Call | None:
    """The answer to "For how long?": the missing argument of the call that was asked about."""
    if asked is None:
        return None
    call, argument = asked
    if plain(text).casefold() in (
        "nothing",
        "never mind",
        "nevermind",
        "cancel",
        "cancel it",
        "forget it",
        "no",
        "stop",
    ):
        return Call("nevermind", source="rules")
    if is_question(text) or is_german_command(text) or (argument in ("duration", "at") and _says_more(text, now)):
        return None
    if argument == "duration":
        bare = re.fullmatch(r"(?:for )?(\d{1,3})", plain(text))
        found = ruled(f"time {bare[1]} minutes" if bare else f"time {plain(text).removeprefix('for ')}", now)
        if found and found[0].tool == "timer.start":
            return replace(call, arguments={**call.arguments, **found[0].arguments})
        return None
    if argument == "at":
        opening = "alarm for" if call.tool == "alarm.set" else "remind me"
        day = "" if find(plain(text), now, ("date", "datetime")) else call.arguments.get("day", "")
        found = ruled(f"{opening} {plain(text)}{day and f' on {day}'}", now)
        given = found[0].arguments.get("at") if found else None
        known = {k: v for k, v in call.arguments.items() if k != "day"}
        return replace(call, arguments={**known, "at": given}) if given else None
    if argument == "area":
        place = re.sub(r"^(?:in |on )?(?:the |my )?", "", plain(text), flags=re.IGNORECASE)
        return None if _COMMAND.match(place) or _REMARK.match(place) else _with_area(call, place)
    if argument in _MEASURED:
        numbers = find(plain(text), now, ("percent", "number", "temperature"))
        value = float(getattr(numbers[0].value, "value", numbers[0].value)) if numbers else None
        return None if value is None else replace(call, arguments={**call.arguments, argument: value})
    family = call.tool.partition(".")[0]
    if argument == "name":
        name = re.sub(r"^(?:the|my|that) (?:one )?", "", plain(text), flags=re.IGNORECASE)
        return (
            None
            if _COMMAND.match(name) or _REMARK.match(name)
            else replace(call, arguments={**call.arguments, "name": name})
        )
    if any(r.tool.partition(".")[0] == family for r in ruled(text, now)):
        return None  # "read that aloud" is no text to copy, "add tea to my list" no item
    told = re.sub(r"^(?:to|about|that) ", "", plain(text), flags=re.I) if argument == "message" else plain(text)
    return replace(call, arguments={**call.arguments, argument: told})


def _with_area(call: Call, place: str) -> Call:
    return replace(call, arguments={**{k: v for k, v in call.arguments.items() if k != "one"}, "area": place})


_MEASURED: Final = frozenset({"position", "percentage", "temperature", "brightness", "volume_level"})
_COMMAND: Final = re.compile(
    r"(?:turn|switch|set|open|close|play|add|put|remind|wake|start|stop|lock|unlock|make|dim|pause|cancel|delete"
    r"|remember|forget|create|move|find|take)\b",
    re.IGNORECASE,
)
_REMARK: Final = re.compile(
    r"(?:it|that|this|i|he|she|we|they)(?:'s|'m|'re| (?:is|am|are|was|have|had|do))\b", re.IGNORECASE
)


def _says_more(text: str, now: datetime) -> bool:
    """Whether it is more than a time or a length: a request of its own in which one stands."""
    words = plain(text)
    for found in reversed(find(words, now, ("duration", "time", "date", "datetime"))):
        words = words[: found.start] + words[found.end :]
    return len(words.split()) > 2


def follow_up(last: Call | None, text: str, now: datetime) -> Call | None:
    """What refers back: "make it ten minutes", "add five more", "turn it off", "cancel it"."""
    if last is None:
        return None
    family = last.tool.partition(".")[0]
    if family == "list" and (found := of_list(last, text)):
        return found
    words = INSTEAD.sub("", plain(text))
    if last.tool in ("reminder.set", "alarm.set", "alarm.change") and (found := _set_again(last, text, now)):
        return found
    if family in ("timer", "alarm", "reminder") and (found := _of_time(last, family, words, now)):
        return found
    if family == "event" and (m := re.match(_MOVING, words, re.I)) and last.arguments.get("title"):
        return moved_entry(str(last.arguments["title"]), m[1], now)
    if family == "calculator" and (m := re.fullmatch(_REST_OF_SUM, words, re.I)):
        expression = f"({last.arguments.get('expression', '')}) {m['sign']} {m['rest']}"
        return Call("calculator", {"expression": expression}, source="follow-up") if calculates(expression) else None
    if family == "calculator" and (m := re.fullmatch(_SHARED, words, re.I)):
        n = _WAYS.get(m["n"].casefold(), m["n"])
        expression = f"({last.arguments.get('expression', '')}) / {n}"
        return Call("calculator", {"expression": expression}, source="follow-up") if calculates(expression) else None
    if other := again(last, words, now):
        return other
    if last.tool == "note.add" and re.fullmatch(r"(?:delete|remove|forget) (?:that|this|the) note", words, re.I):
        return Call("undo", source="follow-up")
    if last.tool == "fact.remember" and re.fullmatch(r"forget (?:it|that)(?: again)?", words, re.I):
        return Call("undo", source="follow-up")
    if last.tool == "fact.recall" and re.fullmatch(r"(?:forget|delete|remove) (?:it|that)(?: again)?", words, re.I):
        return Call("fact.forget", {"text": last.arguments.get("text", "")}, source="follow-up")
    if family == "stopwatch" and (found := _of_stopwatch(words)):
        return found
    if family == "timer" and re.fullmatch(
        r"(?:cancel|stop|delete|remove) (?:them all|all(?: of them)?|both)", words, re.I
    ):
        return Call("timer.cancel_all", source="follow-up")
    if family == "alarm" and re.fullmatch(
        r"(?:turn|switch) (?:it|that) off|(?:turn|switch) off (?:it|that)", words, re.I
    ):
        return Call("alarm.cancel", source="follow-up")
    if re.fullmatch(r"(?:cancel|stop|delete|remove) (?:it|that)|cancel", words, re.I):
        undoing = {"timer": "timer.cancel", "alarm": "alarm.cancel", "reminder": "reminder.cancel"}.get(family)
        undoing = "media.pause" if family == "media" and words.casefold().startswith("stop") else undoing
        return Call(undoing, source="follow-up") if undoing else Call("undo", source="follow-up")
    if family in ("home", "media") and (m := re.fullmatch(_SWITCHING, words, re.I)):
        on = m.group(1).casefold() == "on"
        where = {k: v for k, v in last.arguments.items() if k in WHERE and v}
        if not where and family == "media":
            where = {"domain": "media_player"}
        if (
            where and "name" not in where and "domain" not in where and (domain := _domain(last))
        ):  # not all that is in the room
            where["domain"] = domain
        if not where:  # "it" is nothing that was spoken of, least of all everything
            return None
        return Call("home.turn_on" if on else "home.turn_off", where, source="follow-up")
    if family in ("home", "media") and (
        m := re.match(r"(?:make|set|dim) (?:it|them|that)(?: to)? (\d{1,3}) ?(?:%|percent)$", words, re.I)
    ):
        return _again_with(last, float(m.group(1)))
    return None


_WAYS: Final = {"two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8"}
_SHARED: Final = (
    rf"(?:split|share|divide) (?:it|that)(?: up)?(?: evenly| equally)? (?:(?:by|in|into|between|among) )?(?:the )?"
    rf"(?P<n>\d{{1,3}}|{'|'.join(_WAYS)})(?: ways| people| of us| parts)?"
)


def _domain(last: Call) -> str:
    """What kind of device an action of its kind is for: "" for one that tells nothing."""
    if last.tool == "home.step":
        return _DOMAINS.get(str(last.arguments.get("quantity")), "")
    return _DOMAINS.get("volume" if last.tool.startswith("media.") else last.tool, "")


_DOMAINS: Final = {"brightness": "light", "temperature": "climate", "volume": "media_player", "speed": "fan",
                   "position": "cover", "home.light": "light", "home.temperature": "climate",
                   "home.read_temperature": "climate", "home.fan_speed": "fan", "home.position": "cover"}  # fmt: skip


def _of_stopwatch(words: str) -> Call | None:
    """ "how long has it been", "stop it", "go on", "start over", after something was done with it."""
    for tool, pattern in _STOPWATCH:
        if re.fullmatch(pattern, words, re.IGNORECASE):
            return Call(tool, source="follow-up")
    return None


_STOPWATCH: Final = (
    ("stopwatch.read", r"how (?:long|much time)(?: has it been| is it| was it| now| so far)?|(?:and )?now|time|lap"),
    ("stopwatch.stop", r"stop(?: it| that)?|pause(?: it)?|done|finished"),
    ("stopwatch.start", r"(?:start|resume|continue)(?: it)?(?: again)?|go on"),
    ("stopwatch.restart", r"restart(?: it)?|start over"),
    ("stopwatch.reset", r"reset(?: it)?|(?:delete|clear|cancel) (?:it|that)"),
)


def named_for_later(last: Call | None, text: str, now: datetime) -> str | None:
    """ "turn it off in ten minutes" with the name of what "it" is now: when the time comes it may be another."""
    words = plain(text)
    name = last.arguments.get("name") if last and last.tool.startswith(("home.", "media.")) else None
    match = _IT_LATER.match(words)
    if not name or match is None or not find(words, now, ("duration", "time", "datetime")):
        return None
    return f"{match['verb']} the {name}{words[match.end() :]}"


_IT_LATER: Final = re.compile(
    r"(?P<verb>(?:turn|switch|set|make|dim|open|close|lock|start|stop|pause)) (?:it|them|that)\b", re.IGNORECASE
)
_SWITCHING: Final = (
    r"(?:(?:turn|switch) (?:it |them |that )?(?:all )?(?=o)|(?=o\w+ again))(on|off)(?: it| them| that)?(?: again)?"
)
_REST_OF_SUM: Final = (
    r"(?:and |then |now |that )*(?P<sign>plus|minus|times|multiplied by|divided by|to the power of|[-+*/^×÷]) ?"
    r"(?P<rest>[-\d.,()]+|[a-z -]{2,30})"
)


def _of_time(last: Call, family: str, words: str, now: datetime) -> Call | None:
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
        moved = re.match(_MOVING, words, re.I) or re.fullmatch(_CORRECTING, words, re.I)
        shifted = re.match(_SHIFTING, words, re.I)
        if shifted and re.search(_WHICH_WAY, words, re.I) and (by_s := shift_s(words, shifted[1], now)):
            return Call(f"{family}.change", {"by_s": by_s, **_which(last)}, source="follow-up")
        return _moved(last, family, moved[1], now) if moved else None
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


def _set_again(last: Call, text: str, now: datetime) -> Call | None:
    """The same reminder, or an alarm, at another time too: "and again in 40 minutes", "and 9 on weekends"."""
    words = " ".join(text.split()).strip(" .!?")
    for pattern in _ONCE_MORE:
        if m := re.fullmatch(pattern, words, re.IGNORECASE):
            when = m["when"] if m["when"][0].isalpha() else f"at {m['when']}"
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
_MOVING: Final = r"(?:make|move|change|set|push|put|shift) (?:it|that) (?:back )?(?:to |for |at |by )?(.+)"

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


def _again_with(last: Call, percent: float) -> Call | None:
    argument = {"home.light": "brightness", "home.position": "position", "home.fan_speed": "percentage",
                "media.volume": "volume_level", "media.volume_step": "volume_level"}  # fmt: skip
    where = {k: v for k, v in last.arguments.items() if k in ("name", "area", "floor", "domain", "device_class")}
    tool = "media.volume" if last.tool.startswith("media.") else last.tool
    if tool not in argument:
        tool = "home.light"
    return Call(tool, {**where, argument[tool]: percent}, source="follow-up")
