"""The verifiable instructions of IFEval, judged strictly (Zhou et al., Instruction-Following Evaluation for Large
Language Models, 2023, arXiv:2311.07911): our own code for the instructions the paper describes.

Not covered: `language:response_language` for languages whose script does not give them away. Rows with such an
instruction are left out and counted.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from typing import Any

from evals.checks import sentences, words

Arguments = dict[str, Any]
Judge = Callable[[str, Arguments], bool]

# Unicode names of letters begin with the script's name.
_SCRIPTS = {
    "hi": "DEVANAGARI", "mr": "DEVANAGARI", "ne": "DEVANAGARI", "bn": "BENGALI", "te": "TELUGU", "ta": "TAMIL",
    "kn": "KANNADA", "gu": "GUJARATI", "pa": "GURMUKHI", "th": "THAI", "ko": "HANGUL", "ru": "CYRILLIC",
    "bg": "CYRILLIC", "uk": "CYRILLIC", "ar": "ARABIC", "fa": "ARABIC", "ur": "ARABIC", "el": "GREEK", "he": "HEBREW",
    "zh": "CJK", "ja": "HIRAGANA",
}  # fmt: skip


def judges(instructions: list[str], arguments: list[Arguments]) -> list[Callable[[str], bool]] | None:
    """One judge of a reply for each instruction of a row; None when one of them cannot be judged here."""
    found: list[Callable[[str], bool]] = []
    for name, given in zip(instructions, arguments, strict=True):
        known = {key: value for key, value in given.items() if value is not None}
        judge = _JUDGES.get(name)
        if judge is None or (name == "language:response_language" and known.get("language") not in _SCRIPTS):
            return None
        found.append(lambda reply, judge=judge, known=known: judge(reply, known))  # type: ignore[misc]
    return found


def _count(n: int, relation: str, limit: int) -> bool:
    return n < limit if relation == "less than" else n >= limit


def _paragraphs(reply: str, splitter: str) -> list[str]:
    return [part.strip() for part in re.split(splitter, reply) if part.strip()]


def _letters(reply: str, letter: str) -> int:
    return Counter(reply.lower())[letter.lower()]


def _keyword(reply: str, keyword: str) -> int:
    return len(re.findall(rf"\b{re.escape(keyword)}\b", reply, re.IGNORECASE))


def _sections(reply: str, splitter: str) -> int:
    return len(re.findall(rf"\b{re.escape(splitter)}\s+(?:\d+|[IVXLC]+)\b", reply))


def _two_responses(reply: str, _: Arguments) -> bool:
    parts = [part.strip() for part in reply.split("******")]
    return len(parts) == 2 and all(parts) and parts[0] != parts[1]


def _nth_paragraph(reply: str, a: Arguments) -> bool:
    parts = _paragraphs(reply, r"\n\n")
    if len(parts) != a["num_paragraphs"] or a["nth_paragraph"] > len(parts):
        return False
    first = re.findall(r"[\w'-]+", parts[a["nth_paragraph"] - 1])
    return bool(first) and first[0].lower() == str(a["first_word"]).lower()


def _language(reply: str, a: Arguments) -> bool:
    letters = [unicodedata.name(c, "") for c in reply if c.isalpha()]
    script = _SCRIPTS[a["language"]]
    if script == "HIRAGANA":
        return any(name.startswith(("HIRAGANA", "KATAKANA")) for name in letters)
    return bool(letters) and sum(name.startswith(script) for name in letters) > 0.6 * len(letters)


def _is_json(reply: str, _: Arguments) -> bool:
    text = re.sub(r"^```(?:json)?|```$", "", reply.strip(), flags=re.IGNORECASE).strip()
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _highlights(reply: str) -> int:
    return len(re.findall(r"\*\*[^\n*]*\S[^\n*]*\*\*|(?<!\*)\*[^\n*]*\S[^\n*]*\*(?!\*)", reply))


def _postscript(reply: str, a: Arguments) -> bool:
    marker = re.sub(r"[^a-z]", "", str(a["postscript_marker"]).lower())
    pattern = r"\s*".join(rf"{letter}\.?" for letter in marker)
    return re.search(rf"(?:^|\s){pattern}", reply.lower()) is not None


_JUDGES: dict[str, Judge] = {
    "length_constraints:number_words": lambda r, a: _count(words(r), a["relation"], a["num_words"]),
    "length_constraints:number_sentences": lambda r, a: _count(sentences(r), a["relation"], a["num_sentences"]),
    "length_constraints:number_paragraphs": lambda r, a: len(_paragraphs(r, r"\*\*\*")) == a["num_paragraphs"],
    "length_constraints:nth_paragraph_first_word": _nth_paragraph,
    "punctuation:no_comma": lambda r, a: "," not in r,
    "keywords:forbidden_words": lambda r, a: not any(_keyword(r, word) for word in a["forbidden_words"]),
    "keywords:existence": lambda r, a: all(word.lower() in r.lower() for word in a["keywords"]),
    "keywords:frequency": lambda r, a: _count(_keyword(r, a["keyword"]), a["relation"], a["frequency"]),
    "keywords:letter_frequency": lambda r, a: _count(_letters(r, a["letter"]), a["let_relation"], a["let_frequency"]),
    "combination:two_responses": _two_responses,
    "combination:repeat_prompt": lambda r, a: r.strip().lower().startswith(a["prompt_to_repeat"].strip().lower()),
    "detectable_format:number_highlighted_sections": lambda r, a: _highlights(r) >= a["num_highlights"],
    "detectable_format:number_bullet_lists": lambda r, a: (
        len(re.findall(r"^\s*(?:\*[^*]|-)", r, re.M)) == a["num_bullets"]
    ),
    "detectable_format:multiple_sections": lambda r, a: _sections(r, a["section_spliter"]) >= a["num_sections"],
    "detectable_format:title": lambda r, a: re.search(r"<<[^\n>]*\w[^\n>]*>>", r) is not None,
    "detectable_format:json_format": _is_json,
    "detectable_format:constrained_response": lambda r, a: any(
        f"My answer is {word}." in r for word in ("yes", "no", "maybe")
    ),
    "detectable_content:number_placeholders": lambda r, a: len(re.findall(r"\[.*?\]", r)) >= a["num_placeholders"],
    "detectable_content:postscript": _postscript,
    "change_case:english_lowercase": lambda r, a: r == r.lower() and bool(re.search(r"[a-z]", r)),
    "change_case:english_capital": lambda r, a: r == r.upper() and bool(re.search(r"[A-Z]", r)),
    "change_case:capital_word_frequency": lambda r, a: _count(
        len(re.findall(r"\b[A-Z][A-Z'-]*\b", r)), a["capital_relation"], a["capital_frequency"]
    ),
    "startend:quotation": lambda r, a: len(r.strip()) > 1 and r.strip()[0] == r.strip()[-1] == '"',
    "startend:end_checker": lambda r, a: r.strip().strip('"').lower().endswith(a["end_phrase"].strip().lower()),
    "language:response_language": _language,
}
