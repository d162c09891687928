"""What refers to the list that something was just done with: "also eggs", "remove the eggs", "no milk"."""

from __future__ import annotations

import re
from typing import Final

from assistant.rules.table import is_question, plain
from assistant.tools.calls import Call


def of_list(last: Call, text: str) -> Call | None:
    """ "also eggs", "and bread", "remove the eggs", "what is on it", after something was done with a list."""
    named = {"name": last.arguments["name"]} if last.arguments.get("name") else {}
    words = plain(text)
    if (
        m := re.fullmatch(
            r"(?:remove|delete|take off|drop) (?:the )?((?!.*\blist\b)(?!(?:it|that|this)$).+?)"
            r"(?: (?:from|off) (?:it|there))?(?: again)?",
            words,
            re.I,
        )
    ) and not OTHER_REQUEST.search(m[1]):
        return Call("list.remove", {**named, "item": m[1]}, source="follow-up")
    if re.fullmatch(
        r"(?:what(?:'s| is) on (?:it|there)|read (?:it|that|them)(?: back)?(?: to me| out)?|show (?:it|me)"
        r"|how (?:many|much)(?: things| items)? (?:is|are) (?:on|in) (?:it|there)"
        r"|what(?:'s| is)? (?:else|still|left)(?: do (?:i|we) (?:need|have)| on (?:it|there))?)",
        words,
        re.I,
    ):
        return Call("list.read", named, source="follow-up")
    if m := re.fullmatch(
        r"(?:is|are|did (?:i|we) (?:already )?(?:put|add)|have (?:i|we) (?:put|added)|do (?:i|we) have) (?:any )?"
        r"(?P<item>.+?) (?:already )?(?:on|to) (?:it|there)",
        words,
        re.I,
    ):
        return Call("list.has", {**named, "item": m["item"]}, source="follow-up")
    put = str(last.arguments.get("item") or "")
    if put and re.fullmatch(
        r"(?:mark|check|tick|cross) (?:it|that)(?: off)?(?: as (?:done|complete))?|(?:it's|that's) done", words, re.I
    ):
        return Call("list.complete", {**named, "item": put}, source="follow-up")
    if m := re.fullmatch(
        r"(?:i(?:'ve| have)? )?(?:already |just )?(?:bought (?:the |some )?|got (?:the |some ))"
        r"(?P<item>(?!(?:it|that|this|them|idea|point|message|job|an?)\b).+?)(?: already| too| now)?",
        words,
        re.I,
    ):
        return Call("list.complete", {**named, "item": m["item"]}, source="follow-up")
    if m := re.fullmatch(r"take (?:the )?(.+?) off(?: (?:it|the list|again))?", words, re.I):
        return Call("list.remove", {**named, "item": m[1]}, source="follow-up")
    if re.fullmatch(r"(?:clear|empty|wipe) (?:it|the list|that list)", words, re.I):
        return Call("list.clear", named, source="follow-up")
    if last.tool == "list.add" and (m := re.fullmatch(_NOT_THAT, words, re.I)) and _holds(last, m["item"]):
        return Call("list.remove", {**named, "item": m["item"]}, source="follow-up")
    raw = " ".join(text.split()).strip(" .!")
    m = re.fullmatch(r"(?:put|add) (.+?) (?:on|to) (?:it|there)(?: too| as well)?", words, re.I)
    m = m or (
        re.fullmatch(
            r"(?:oh,? |ah,? )?(?:and|also|add|and also|and add|also add) (?:some )?(.+?)(?: too| as well)?", raw, re.I
        )
        if last.tool == "list.add"
        else None
    )
    m = m or re.fullmatch(r"add (.+?)(?: too| as well)?", words, re.I)
    if m is None or is_question(m[1]) or OTHER_REQUEST.search(m[1]):
        return None
    return Call("list.add", {**named, "item": m[1]}, source="follow-up")


_NOT_THAT: Final = (
    r"(?:no,? )?(?:actually,? |wait,? |sorry,? )*"
    r"(?:no|not|without|except|but not|forget|scratch|skip|leave out|we have) (?:the )?(?P<item>[\w' -]+?)"
    r"(?: after all| already| though)?"
)


def _holds(last: Call, item: str) -> bool:
    """Whether the words were among what was just put on a list: "no milk", and not "no problem"."""
    return re.search(rf"\b{re.escape(item)}\b", str(last.arguments.get("item", "")), re.IGNORECASE) is not None


OTHER_REQUEST: Final = re.compile(
    r"\b(?:timer|list|tasks|to-?dos?|alarm|remind|note|calendar|turn|switch|set|play|open|close|lock|unlock|minutes?"
    r"|hours?)\b",
    re.IGNORECASE,
)
