"""Times of day: "7:56 pm", "half past seven in the evening", "ten to nine", "noon", "20:15"."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from assistant.quantities.number_words import ONES, TENS
from assistant.quantities.numbers import number_at
from assistant.quantities.tokens import Token, phrase_at, skip, word_at

PARTS_OF_DAY: Final = {  # name -> first hour, last hour (exclusive)
    "morning": (8, 12), "afternoon": (12, 16), "evening": (16, 20), "night": (20, 24), "tonight": (20, 24),
    "lunch": (11, 13), "lunchtime": (11, 13), "dinner": (16, 20), "breakfast": (8, 12), "daytime": (8, 18),
    "noonish": (11, 13), "dawn": (4, 8),
}  # fmt: skip
_NAMED: Final = {
    ("midnight",): 0, ("mid", "-", "night"): 0, ("mid", "night"): 0, ("noon",): 12, ("midday",): 12, ("mid", "-",
    "day"): 12,
    ("mid", "day"): 12, ("noontime",): 12, ("mid", "-", "morning"): 10, ("mid", "morning"): 10, ("midmorning",): 10,
    ("mid", "-", "afternoon"): 14, ("mid", "afternoon"): 14, ("midafternoon",): 14,
}  # fmt: skip
_PREFIXES: Final = ("at", "@", "by", "around", "about", "approximately", "circa", "exactly", "for")


@dataclass(frozen=True, slots=True)
class TimeOfDay:
    """`ambiguous`: nothing tells morning from evening (as in "at seven")."""

    hour: int
    minute: int = 0
    second: int = 0
    ambiguous: bool = False
    grain: str = "minute"
    utc_minutes: int | None = None  # of the zone that was named, ahead of UTC

    @property
    def alternatives(self) -> tuple[TimeOfDay, ...]:
        if not self.ambiguous or not 1 <= self.hour <= 12:
            return (self,)
        hour = self.hour % 12
        return tuple(replace(self, hour=h, ambiguous=False) for h in (hour, hour + 12))


def time_at(tokens: list[Token], at: int, bare: bool = False) -> tuple[TimeOfDay, int] | None:
    """The time that stands there, with its zone. `bare`: a number alone counts too, as it does after "at"."""
    found = _time_at(tokens, at, bare)
    if found is None:
        return None
    then = skip(tokens, found[1], "(")
    minutes = ZONES.get(word_at(tokens, then))
    if minutes is None or found[0].utc_minutes is not None:
        return found
    closed = then + 1 + (then > found[1] and word_at(tokens, then + 1) == ")")
    return replace(found[0], utc_minutes=minutes), closed


ZONES: Final = {"utc": 0, "gmt": 0, "z": 0, "bst": 60, "cet": 60, "cest": 120, "eet": 120, "eest": 180, "msk": 180,
                "est": -300, "edt": -240, "cst": -360, "cdt": -300, "mst": -420, "mdt": -360, "pst": -480, "pdt": -420,
                "ist": 330, "jst": 540, "aest": 600}  # fmt: skip


def _time_at(tokens: list[Token], at: int, bare: bool = False) -> tuple[TimeOfDay, int] | None:
    start = skip(tokens, at, *_PREFIXES)
    bare = bare or (start > at and word_at(tokens, start - 1) in ("at", "@"))
    part, then = part_of_day(tokens, start)
    if part:
        found = time_at(tokens, then, bare=True) if then < len(tokens) else None
        if found and found[0].ambiguous:
            return in_part(found[0], part), found[1]
    found = _named(tokens, start) or _relative(tokens, start) or _digital(tokens, start) or _spoken(tokens, start, bare)
    if found is None:
        return None
    time, end = found
    suffix = _half_of_day(tokens, end)
    if suffix:
        return _with_half(time, suffix[0]), suffix[1]
    if (then := phrase_at(tokens, end, "o", "'", "clock") or phrase_at(tokens, end, "oclock")
            or phrase_at(tokens, end, "o'clock")):  # fmt: skip
        suffix = _half_of_day(tokens, then)
        if suffix:
            return _with_half(time, suffix[0]), suffix[1]
        end = then
    part, then = part_of_day(tokens, end)
    return (in_part(time, part), then) if part and time.ambiguous else (time, end)


def _named(tokens: list[Token], at: int) -> tuple[TimeOfDay, int] | None:
    for words, hour in _NAMED.items():
        if then := phrase_at(tokens, at, *words):
            return TimeOfDay(hour, grain="hour"), then
    return None


def _digital(tokens: list[Token], at: int) -> tuple[TimeOfDay, int] | None:
    """7:56, 12:34:25, 8.10 pm, 7pm, 1930 (with "hours" or after at), 10h."""
    word = word_at(tokens, at)
    if "." in word and word.replace(".", "").isdecimal() and len(word.partition(".")[2]) == 2:
        hour, minute = map(int, word.split("."))
        said = word_at(tokens, at - 1) in ("at", "@") or _half_of_day(tokens, at + 1)
        opened = word_at(tokens, at - 1) in ("between", "from")  # between 9.30 and 4.30 pm
        if hour < 24 and minute < 60 and (said or (opened and _half_of_day(tokens, at + 3))):
            return TimeOfDay(hour, minute, ambiguous=hour < 13), at + 1
    if not word.isdecimal() or len(word) > 4:
        return None
    if len(word) == 3 and word[0] != "0" and int(word[1:]) < 60 and _half_of_day(tokens, at + 1):
        return TimeOfDay(int(word[0]), int(word[1:]), ambiguous=True), at + 1
    if len(word) == 4 and int(word[:2]) < 24 and int(word[2:]) < 60:
        spoken = word_at(tokens, at - 1) in _PREFIXES or word_at(tokens, at + 1) in ("hours", "h", "hrs")
        if spoken or _half_of_day(tokens, at + 1):
            return TimeOfDay(int(word[:2]), int(word[2:]), ambiguous=int(word[:2]) < 13 and word[0] != "0"), at + 1
        return None
    hour = int(word)
    if hour > 24 or len(word) > 2:
        return None
    if word_at(tokens, at + 1) in (":", "h") and _minutes(word_at(tokens, at + 2)) and tokens[at + 2].glued:
        minute, end, second = int(word_at(tokens, at + 2)), at + 3, 0
        if word_at(tokens, end) == ":" and _minutes(word_at(tokens, end + 1)):
            second, end = int(word_at(tokens, end + 1)), end + 2
        grain = "second" if end > at + 3 else "minute"
        return TimeOfDay(hour % 24, minute, second, 0 < hour < 13 and word[0] != "0", grain), end
    if word_at(tokens, at + 1) == "h" and word_at(tokens, at + 2) != "r":
        return TimeOfDay(hour % 24, grain="hour", ambiguous=False), at + 2
    if hour <= 12 and _half_of_day(tokens, at + 1):
        return TimeOfDay(hour, ambiguous=True, grain="hour"), at + 1
    return None


def _minutes(word: str) -> bool:
    return word.isdecimal() and len(word) == 2 and int(word) < 60


def _relative(tokens: list[Token], at: int) -> tuple[TimeOfDay, int] | None:
    """half past seven, ten to nine, quarter after 3, three quarters past 9, half three, 20 min past eight."""
    for words, minute in ((("half",), 30), (("a", "quarter"), 15), (("quarter",), 15), (("three", "quarters"), 45),
                          (("a", "half"), 30), (("three", "quarter"), 45), (("the", "quarter"), 15)):  # fmt: skip
        if then := phrase_at(tokens, at, *words):
            return _past_or_to(tokens, then, minute, half_three=words == ("half",))
    number = number_at(tokens, at, suffixes=False)
    if number is None or number[0] != int(number[0]) or not 0 < number[0] < 60:
        return None
    return _past_or_to(tokens, skip(tokens, number[1], "min", "mins", "minute", "minutes"), int(number[0]), False)


def _past_or_to(tokens: list[Token], at: int, minute: int, half_three: bool) -> tuple[TimeOfDay, int] | None:
    word = word_at(tokens, at)
    if word in ("past", "after"):
        sign = 1
    elif word in ("to", "till", "before", "of", "til", "until"):
        sign = -1
    elif half_three and ONES.get(word, 0) in range(1, 13):
        return TimeOfDay(ONES[word], 30, ambiguous=True), at + 1
    else:
        return None
    hour = time_at(tokens, at + 1, bare=True)
    if hour is None or hour[0].minute:
        return None
    total = (hour[0].hour * 60 + sign * minute) % 1440
    return TimeOfDay(total // 60, total % 60, ambiguous=hour[0].ambiguous), hour[1]


def _spoken(tokens: list[Token], at: int, bare: bool) -> tuple[TimeOfDay, int] | None:
    """seven thirty, ten o'clock, eight pm; a number alone only when `bare`."""
    word = word_at(tokens, at)
    hour = ONES.get(word, int(word) if word.isdecimal() and len(word) < 3 else 0)
    if not 1 <= hour <= (12 if word in ONES else 24):
        return None
    end, minute = at + 1, 0
    following = word_at(tokens, end)
    if following in TENS and TENS[following] < 60 and word in ONES:
        minute, end = TENS[following], end + 1
        end += word_at(tokens, end) == "-" and word_at(tokens, end + 1) in ONES
        if 0 < ONES.get(word_at(tokens, end), 0) < 10:
            minute, end = minute + ONES[word_at(tokens, end)], end + 1
    elif following in ONES and 10 <= ONES[following] < 20 and word in ONES:
        minute, end = ONES[following], end + 1
    elif following in ("oh", "o") and 0 < ONES.get(word_at(tokens, end + 1), 0) < 10:
        minute, end = ONES[word_at(tokens, end + 1)], end + 2
    marked = _half_of_day(tokens, end) or phrase_at(tokens, end, "o'clock") or phrase_at(tokens, end, "oclock")
    marked = marked or phrase_at(tokens, end, "o", "'", "clock")
    ahead = minute and word_at(tokens, at - 1) in _PREFIXES  # an alarm for ten ten
    if not (marked or bare or ahead or part_of_day(tokens, end)[0]):
        return None
    return TimeOfDay(hour % 24, minute, ambiguous=hour < 13, grain="minute" if minute else "hour"), end


def _half_of_day(tokens: list[Token], at: int) -> tuple[str, int] | None:
    """am, a.m., pm, p m, in the am."""
    at = phrase_at(tokens, at, "in", "the") if word_at(tokens, at + 2) in ("am", "pm") else at
    for half in ("a", "p"):
        if word_at(tokens, at) == half + "m":
            return half, at + 1
        if then := phrase_at(tokens, at, half, ".", "m"):
            return half, then + (word_at(tokens, then) == ".")
        if then := phrase_at(tokens, at, half, "m"):
            return half, then
        if (
            word_at(tokens, at) == half
            and at < len(tokens)
            and tokens[at].glued
            and word_at(tokens, at - 1).isdecimal()
        ):
            return half, at + 1
    return None


def part_of_day(tokens: list[Token], at: int) -> tuple[str, int]:
    """in the evening, at night, this morning, lunchtime; the name and where it ends, or nothing."""
    then = at
    for words in (("in", "the"), ("during", "the"), ("at",), ("this",), ("in", "this"), ("of", "the"), ("on", "the"),
                  ("in",)):  # fmt: skip
        if past := phrase_at(tokens, at, *words):
            then = past
            break
    name = word_at(tokens, then)
    name = name if name in PARTS_OF_DAY else name.removesuffix("ish")  # afternoonish
    return (name, then + 1) if name in PARTS_OF_DAY else ("", at)


def _with_half(time: TimeOfDay, half: str) -> TimeOfDay:
    hour = time.hour % 12 + (12 if half == "p" else 0) if time.hour <= 12 else time.hour
    return TimeOfDay(hour, time.minute, time.second, False, time.grain)


def in_part(time: TimeOfDay, part: str) -> TimeOfDay:
    hour = time.hour
    if part in ("afternoon", "evening", "dinner") or (part in ("night", "tonight") and 5 <= hour < 12):
        hour = hour % 12 + 12
    elif part in ("morning", "breakfast", "dawn") or (part in ("night", "tonight") and hour in (12, 1, 2, 3, 4)):
        hour = hour % 12
    elif part in ("lunch", "lunchtime", "daytime") and hour < 7:
        hour += 12
    return TimeOfDay(hour % 24, time.minute, time.second, False, time.grain)
