"""What people say in German (german.py) and in Chinese, as the English that rules know.

The sentence templates cover the home, timers and lists in these languages; what they lack is put into English here, a
whole sentence at a time, the user's own words (an item, what to be reminded of) as they are. A sentence with a word
that is not known stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from assistant.rules.german import GERMAN
from assistant.rules.german_home import Put
from assistant.rules.german_words import as_meant_in_german, may_be_german, plainly, put_off, says_not, when

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
    for language, table in (("de", GERMAN), ("zh", _CHINESE))
}


ANOTHER: Final[dict[str, Callable[[str], bool]]] = {
    "de": may_be_german,
    "zh-CN": lambda text: re.search(r"[\u4e00-\u9fff]", text) is not None,
}  # how a request in a language that nobody named is told by its words


def in_english(text: str, languages: Sequence[str]) -> str | None:
    """The request in English, where one of the languages has a sentence for it that the templates lack."""
    return put_into_english(text, languages)[0]


def put_into_english(text: str, languages: Sequence[str]) -> tuple[str | None, str]:
    """The same, with the language of the sentence; (None, "") if no language has one."""
    words = re.sub(r"^(?:bitte|请) ?|,? bitte$", "", " ".join(text.split()).strip(" .!?。！？"), flags=re.IGNORECASE)
    for language in languages:
        short = language.partition("-")[0]
        for pattern, put in _TABLES.get(short, ()):
            for match in filter(None, map(pattern.fullmatch, dict.fromkeys([words, _plainly(words, short)]))):
                said = match.expand(put) if isinstance(put, str) else put(match)
                if said and not (short == "de" and says_not(words) and not said.startswith(_TOLD)):
                    return said.strip(), language
    return None, ""


_TOLD: Final = ("remember that", "forget that", "remind me", "take a note", "find my note", "cancel it", "never mind")


def _plainly(words: str, language: str) -> str:
    return plainly(words) if language == "de" else words


def by_parts(text: str, languages: Sequence[str]) -> Iterator[str]:
    """A German request without its politeness, and one of several actions with each part in English that has a
    sentence: "mach das Licht an and set a timer for 8 minutes"."""
    if not any(language.startswith("de") for language in languages):
        return
    if meant := as_meant_in_german(text):
        yield in_english(meant, languages) or meant
    words = plainly(text.strip(" .!?"))
    if later := put_off(words):
        yield later
    parts = [part for part in re.split(r",? und (?:dann |danach |auch )?|,? dann |; ", words) if part.strip()]
    apart = len(parts) > 1 and not any(map(when, parts)) and not says_not(words)  # "5 Minuten und 30 Sekunden" is one
    english = [in_english(part, languages) for part in parts] if apart else []
    if any(english):
        yield " and ".join(said or part for said, part in zip(english, parts, strict=True))
    if words != text.strip(" .!?"):
        yield words
