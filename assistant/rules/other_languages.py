"""What people say in German and Chinese to timers, alarms, reminders, lists and sums, as the English that rules know.

The sentence templates cover the home, timers and lists in these languages; what they lack is put into English here, a
whole sentence at a time, the user's own words (an item, what to be reminded of) as they are. A sentence with a word
that is not known stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

Put = str | Callable[[re.Match[str]], str | None]

_GERMAN_WORDS: Final = {
    "ein": "1", "eine": "1", "einer": "1", "einem": "1", "eins": "1", "zwei": "2", "drei": "3", "vier": "4",
    "fünf": "5", "sechs": "6", "sieben": "7", "acht": "8", "neun": "9", "zehn": "10", "elf": "11", "zwölf": "12",
    "fünfzehn": "15", "zwanzig": "20", "dreißig": "30", "vierzig": "40", "fünfzig": "50", "sechzig": "60",
    "hundert": "100", "in": "in", "und": "and", "um": "at", "sekunde": "second", "sekunden": "seconds",
    "minute": "minute", "minuten": "minutes", "stunde": "hour", "stunden": "hours", "tag": "day", "tagen": "days",
    "woche": "week", "wochen": "weeks", "heute": "today", "morgen": "tomorrow", "übermorgen": "the day after tomorrow",
    "montag": "monday", "dienstag": "tuesday", "mittwoch": "wednesday", "donnerstag": "thursday", "freitag": "friday",
    "samstag": "saturday", "sonnabend": "saturday", "sonntag": "sunday", "am": "on", "jeden": "every",
    "werktags": "every weekday", "täglich": "every day", "mittags": "at noon", "früh": "morning",
    "morgens": "in the morning", "abends": "in the evening", "nachmittags": "in the afternoon",
}  # fmt: skip
_GERMAN_PHRASES: Final = (
    (r"\b(?:in )?einer halben stunde\b", "in 30 minutes"),
    (r"\b(?:in )?anderthalb stunden\b", "in 90 minutes"),
    (r"\bheute abend\b", "this evening"),
    (r"\b(?:um )?halb (\w+)(?: uhr)?\b", lambda m: _clock(m[1], -1, 30)),
    (r"\b(?:um )?viertel nach (\w+)\b", lambda m: _clock(m[1], 0, 15)),
    (r"\b(?:um )?viertel vor (\w+)\b", lambda m: _clock(m[1], -1, 45)),
    (r"\b(?:um )?(\w+) uhr (\d{1,2})\b", lambda m: _clock(m[1], 0, int(m[2]))),
    (r"\b(?:um )?(\w+) uhr\b", lambda m: _clock(m[1], 0, 0)),
    (r"(?<!at )\b(?:um )?(\d{1,2})[:.](\d\d)\b", r"at \1:\2"),
)  # fmt: skip
_SUM_WORDS: Final = {"mal": "times", "plus": "plus", "minus": "minus", "geteilt": "divided", "durch": "by",
                     "prozent": "percent", "von": "of", "hoch": "to the power of", "wurzel": "square root",
                     "aus": "of", "die": "the"}  # fmt: skip
_FEASTS: Final = {"weihnachten": "christmas", "heiligabend": "christmas eve", "silvester": "new year's eve",
                  "neujahr": "new year's day", "ostern": "easter"}  # fmt: skip
_HOW: Final = {"heller": "brighter", "dunkler": "dimmer", "wärmer": "warmer", "kälter": "colder", "lauter": "louder",
               "leiser": "quieter"}  # fmt: skip


def _clock(hour: str, by: int, minute: int) -> str:
    number = _GERMAN_WORDS.get(hour.casefold(), hour)
    return f"at {(int(number) + by - 1) % 12 + 1 if by else int(number)}:{minute:02d}" if number.isdecimal() else hour


def _when(words: str) -> str | None:
    """A German time or length in English; None if a word is not known."""
    said = words.casefold()
    for pattern, instead in _GERMAN_PHRASES:
        said = re.sub(pattern, instead, said)
    english = {*_GERMAN_WORDS.values(), "at", "this", "evening", "every", "weekday", "the", "after", "in", "noon"}
    put = [_GERMAN_WORDS.get(w, w if w in english or re.fullmatch(r"[\d:.]+", w) else "") for w in said.split()]
    return " ".join(put) if put and all(put) else None


def _timed(opening: str, at: str = "") -> Callable[[re.Match[str]], str | None]:
    """`opening` and the time of the sentence; `at` before a bare hour."""

    def put(match: re.Match[str]) -> str | None:
        when = _when(match["when"])
        return f"{opening} {at if when and when[0].isdigit() else ''}{when}" if when else None

    return put


def _reminder(match: re.Match[str]) -> str | None:
    if when := _when(match["when"] or match["when2"] or ""):
        return f"remind me {when} about {match['what']}"
    return None if match["when"] or match["when2"] else f"remind me about {match['what']}"


def _sum(match: re.Match[str]) -> str | None:
    said = re.sub(r"(?<=\d),(?=\d)", ".", match["sum"].casefold())
    put = [_SUM_WORDS.get(w, _GERMAN_WORDS.get(w, w)) for w in said.split()]
    known = all(re.fullmatch(r"[-+*/^()\d.%:]+", w) or w in _SUM_WORDS.values() for w in put)
    return f"what is {' '.join(put)}" if known and len(put) > 1 else None


def _items(match: re.Match[str]) -> str | None:
    items = re.sub(r",? und ", " and ", match["items"])
    return f"add {items} to the shopping list" if items != match["items"] or "," in items else None


_THE: Final = r"(?:de[nrm]|die|das|einen?|mein(?:en?|er)?)"
_SHOPPING: Final = r"(?:der|die|meiner?) einkaufsliste"
_GERMAN: Final[tuple[tuple[str, Put], ...]] = (
    (r"wecke? (?:mich|uns) (?:bitte )?(?P<when>.+?)(?: auf)?", _timed("wake me", "at ")),
    (rf"(?:stelle?|setze?|mach)(?: mir)? {_THE} wecker (?:auf|für|um) (?P<when>.+?)", _timed("set an alarm", "at ")),
    (rf"(?:{_THE} )?wecker (?:auf|für|um) (?P<when>.+?)(?: stellen)?", _timed("set an alarm", "at ")),
    (r"(?:welche|zeige?(?: mir)?(?: meine| die)?) wecker(?: sind gestellt| habe ich| gibt es)?"
     rf"|(?:wann|um wie viel uhr) klingelt {_THE} wecker", "what alarms are set"),
    (rf"(?:lösche?|entferne|streiche?) {_THE} wecker|(?:schalte?|stelle?) {_THE} wecker (?:aus|ab)",
     "cancel my alarm"),
    (r"(?:lösche?|entferne) alle wecker|(?:schalte?|stelle?) alle wecker (?:aus|ab)", "cancel all alarms"),
    (r"erinnere? mich (?:(?P<when>(?!an |daran).+?) )?(?:an|daran,?(?: dass)?) (?P<what>.+?)"
     r"(?: (?P<when2>in \d+ (?:minuten|stunden|tagen)|(?:heute|morgen|übermorgen)(?: um [\d:]+)?|um [\d:]+)(?: uhr)?)?",
     _reminder),
    (rf"brich {_THE} (?:timer|countdown) ab|(?:timer|countdown) (?:stoppen|löschen)", "cancel the timer"),
    (rf"(?:stelle?|setze?)(?: mir)? {_THE} timer (?:auf|für) (?P<when>\d+ \w+(?: und \d+ \w+)?)",
     _timed("set a timer for")),
    (r"(?:mach|schalte?|stelle?) die musik (?:aus|ab)|musik aus", "pause the music"),
    (r"(?:mach|schalte?) alles aus|alles aus", "turn everything off"),
    (r"wie ?viel zeit (?:ist|bleibt|habe ich)(?: noch)?(?: übrig)?", "how much time is left"),
    (rf"was (?:steht|ist) (?:noch )?auf {_SHOPPING}|(?:lies|zeige?)(?: mir)? {_SHOPPING}(?: vor)?",
     "what is on the shopping list"),
    (rf"(?:leere?|lösche?) {_SHOPPING}", "clear the shopping list"),
    (rf"(?:setze?|schreibe?|packe?|tue?) (?P<items>.+?) auf {_SHOPPING}", _items),
    (rf"(?P<items>.+?) auf {_SHOPPING}(?: setzen)?", _items),
    (r"(?:was|wie ?viel) (?:ist|sind|macht|ergibt) (?P<sum>.+)", _sum),
    (rf"(?:mach|stelle?) (?:es|das)(?: ein (?:bisschen|wenig))? (?P<how>{'|'.join(_HOW)})",
     lambda m: f"make it {_HOW[m['how'].casefold()]}"),
    (r"(?:mach|stelle?|setze?|drehe?) (?:die )?heizung auf (?P<n>\d{1,2}) grad",
     lambda m: f"set the heating to {m['n']} degrees"),
    (r"welche erinnerungen (?:habe ich|gibt es)|zeige?(?: mir)? (?:meine|die) erinnerungen", "what are my reminders"),
    (r"wie lange (?:noch|läuft) (?:die|der|das|den) (?P<name>\w+)(?: noch)?", r"how much time is left on the \g<name>"),
    (rf"wie ?(?:viele tage|lange)(?: sind es| bleiben| ist es)?(?: noch)? bis (?:zu )?(?P<day>{'|'.join(_FEASTS)})",
     lambda m: f"how many days until {_FEASTS[m['day'].casefold()]}"),
    (r"(?:was ist|was haben wir|welcher tag ist) morgen(?: für ein tag)?|was für ein tag ist morgen",
     "what day is tomorrow"),
    (r"was kannst du(?: alles)?|hilfe", "what can you do"),
    (r"rückgängig(?: machen)?|mach (?:das|es) rückgängig|nimm das zurück", "undo"),
)  # fmt: skip

_DIGITS: Final = {d: str(n) for n, d in enumerate("零一二三四五六七八九十")} | {"两": "2"}
_UNITS: Final = {
    "秒": "seconds",
    "秒钟": "seconds",
    "分钟": "minutes",
    "分": "minutes",
    "小时": "hours",
    "个小时": "hours",
}
_PARTS: Final = {"早上": "am", "上午": "am", "下午": "pm", "晚上": "pm"}
_N: Final = r"(?P<n>\d{1,3}|[一二两三四五六七八九十])"
_LENGTH: Final = rf"{_N}(?P<unit>秒钟?|分钟?|个?小时)"
_TIMER: Final = r"(?:计时器|定时器|倒计时)"


def _wake(match: re.Match[str]) -> str:
    minute = "30" if match["half"] else f"{int(match['minute'] or 0):02d}"
    return f"wake me {'tomorrow ' if match['day'] else ''}at {_number(match)}:{minute} {_PARTS.get(match['part'], '')}"


def _number(match: re.Match[str]) -> str:
    return _DIGITS.get(match["n"], match["n"])


_AT: Final = rf"(?P<day>明天)?(?P<part>早上|上午|下午|晚上)?{_N}点(?:(?P<half>半)|(?P<minute>\d{{1,2}})分?)?"
_CHINESE: Final[tuple[tuple[str, Put], ...]] = (
    (rf"(?:设|设置|设定|定|开始|开)(?:一?个)?{_LENGTH}的?{_TIMER}",
     lambda m: f"set a timer for {_number(m)} {_UNITS[m['unit']]}"),
    (rf"(?:还剩|还有|剩)(?:多少时间|多久|多长时间)|{_TIMER}还(?:剩|有)(?:多少时间|多久)", "how much time is left"),
    (rf"暂停{_TIMER}", "pause the timer"),
    (rf"(?:继续|恢复){_TIMER}", "resume the timer"),
    (rf"{_AT}叫(?:我|醒我)(?:起床)?", lambda m: _wake(m)),
    (rf"(?:设|设置|设定|定)?(?:一?个)?{_AT}的?闹钟", lambda m: _wake(m)),
    (r"把?(?P<item>.+?)(?:加|添加|放)(?:到|进)(?:我的)?购物清单(?:里|上|中)?",
     lambda m: f"add {m['item']} to the shopping list"),
)  # fmt: skip
_TABLES: Final = {
    language: tuple((re.compile(pattern, re.IGNORECASE), put) for pattern, put in table)
    for language, table in (("de", _GERMAN), ("zh", _CHINESE))
}


def in_english(text: str, languages: Sequence[str]) -> str | None:
    """The request in English, where one of the languages has a sentence for it that the templates lack."""
    return put_into_english(text, languages)[0]


def put_into_english(text: str, languages: Sequence[str]) -> tuple[str | None, str]:
    """The same, with the language of the sentence; (None, "") if no language has one."""
    words = re.sub(r"^(?:bitte|请) ?|,? bitte$", "", " ".join(text.split()).strip(" .!?。！？"), flags=re.IGNORECASE)
    for language in languages:
        for pattern, put in _TABLES.get(language.partition("-")[0], ()):
            if match := pattern.fullmatch(words):
                said = match.expand(put) if isinstance(put, str) else put(match)
                if said:
                    return said.strip(), language
    return None, ""
