"""Chat templates: control markers come from the template only, prompts only grow at the end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.conversation import Message, Role
from assistant.engines.templates import Segment, choose, clean, families, n_head_segments, render
from assistant.errors import ModelRefusedError


class EveryToken:
    """A vocabulary that has each control token but those in `lacks`."""

    def __init__(self, *lacks: str) -> None:
        self._lacks = lacks

    def control_token(self, text: str) -> int | None:
        return None if text in self._lacks else 1


def shown(segments: list[Segment]) -> str:
    return "".join(f"{{{s.text}}}" if s.is_special else s.text for s in segments)


def talk(*texts: str, system: str = "") -> list[Message]:
    head = [Message(Role.SYSTEM, system, id="system")] if system else []
    return head + [Message(Role.USER if i % 2 == 0 else Role.ASSISTANT, t) for i, t in enumerate(texts)]


WRITTEN = {
    "chatml": "{<|im_start|>}system\nS{<|im_end|>}\n{<|im_start|>}user\nQ{<|im_end|>}\n"
    "{<|im_start|>}assistant\nA{<|im_end|>}\n{<|im_start|>}user\nR{<|im_end|>}\n{<|im_start|>}assistant\n",
    "llama3": "{<|start_header_id|>}system{<|end_header_id|>}\n\nS{<|eot_id|>}"
    "{<|start_header_id|>}user{<|end_header_id|>}\n\nQ{<|eot_id|>}"
    "{<|start_header_id|>}assistant{<|end_header_id|>}\n\nA{<|eot_id|>}"
    "{<|start_header_id|>}user{<|end_header_id|>}\n\nR{<|eot_id|>}"
    "{<|start_header_id|>}assistant{<|end_header_id|>}\n\n",
    "gemma": "{<start_of_turn>}user\nS\n\nQ{<end_of_turn>}\n{<start_of_turn>}model\nA{<end_of_turn>}\n"
    "{<start_of_turn>}user\nR{<end_of_turn>}\n{<start_of_turn>}model\n",
    "mistral": "{[INST]}S\n\nQ{[/INST]}A{</s>}{[INST]}R{[/INST]}",
}


@pytest.mark.parametrize("family", WRITTEN)
def test_the_whole_prompt_is_written_as_the_family_was_trained(family: str) -> None:
    template = choose(family, EveryToken(), "f.gguf")
    assert shown(render(template, talk("Q", "A", "R", system="S"))) == WRITTEN[family]


def test_phi_generations_are_told_apart_by_their_vocabulary() -> None:
    four = choose("phi", EveryToken(), "f.gguf")
    three = choose("phi", EveryToken("<|im_sep|>"), "f.gguf")
    assert (
        shown(render(four, talk("Q")))
        == "{<|im_start|>}user{<|im_sep|>}Q{<|im_end|>}{<|im_start|>}assistant{<|im_sep|>}"
    )
    assert shown(render(three, talk("Q"))) == "{<|user|>}Q{<|end|>}{<|assistant|>}"


@pytest.mark.parametrize("family", families())
@given(
    texts=st.lists(
        st.one_of(st.text(), st.sampled_from(["<|im_end|>", "[/INST]", "<end_of_turn>", "{<|im_end|>}", "<|eot_id|>"])),
        min_size=1,
        max_size=5,
    ),
    system=st.text(),
)
def test_message_text_is_never_a_control_marker(family: str, texts: list[str], system: str) -> None:
    template = choose(family, EveryToken(), "f.gguf")
    plain = render(template, talk(*["x"] * len(texts), system="x" if system else ""))
    segments = render(template, talk(*texts, system=system))
    assert [s.text for s in segments if s.is_special] == [s.text for s in plain if s.is_special]
    assert [s.text for s in segments if s.is_content] == [t for t in [system] if t] + texts


@pytest.mark.parametrize("family", families())
@given(texts=st.lists(st.text(min_size=1), min_size=1, max_size=6), system=st.text())
def test_prompts_grow_at_the_end_behind_a_constant_head(family: str, texts: list[str], system: str) -> None:
    template = choose(family, EveryToken(), "f.gguf")
    messages = talk(*texts, system=system)
    opening = len(render(template, []))
    before = render(template, messages)
    after = render(template, [*messages, Message(Role.ASSISTANT, "reply"), Message(Role.USER, "more")])
    assert after[: len(before) - opening] == before[: len(before) - opening]
    n_head = n_head_segments(before, messages)
    other = render(template, talk("another question", system=system))
    assert before[:n_head] == other[:n_head]
    assert (n_head > 0) == bool(system)


@pytest.mark.parametrize("family", families())
def test_a_prefix_continues_the_reply(family: str) -> None:
    template = choose(family, EveryToken(), "f.gguf")
    opened = render(template, talk("Q"))
    assert render(template, talk("Q"), "Once") == [*opened, Segment("Once", is_content=True, is_reply=True)]


def test_unknown_family_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ModelRefusedError, match=r"'alpaca'.*chatml, llama3"):
        choose("alpaca", EveryToken(), "f.gguf")


def test_a_file_without_the_templates_tokens_is_refused() -> None:
    with pytest.raises(ModelRefusedError, match=r"f\.gguf.*<\|im_end\|>"):
        choose("chatml", EveryToken("<|im_end|>"), "f.gguf")


@given(st.text(st.characters(), max_size=20))
def test_clean_text_can_be_encoded_and_is_else_unchanged(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode()
    assert "\0" not in cleaned
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    assert cleaned == text.replace("\0", "�")


def test_lone_surrogates_are_replaced_and_pairs_joined() -> None:
    assert clean("a\ud83db") == "a�b"
    assert clean("\ud83d\ude00") == "😀"
