"""Translation, clipboard, dictation, reading aloud, and the user's own calendar."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from assistant.chat import Chat
from assistant.conversation import Conversation
from assistant.router import MODEL
from assistant.session import chat_turn
from assistant.turn import Turn
from fakes import ScriptedModel
from tool_bench import Bench


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ASSISTANT_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("text", "tool", "arguments"),
    [
        ("translate good morning into French", "text.translate", {"text": "good morning", "language": "french"}),
        ("translate that to German", "text.translate", {"text": "that", "language": "german"}),
        ("how do you say thank you in Japanese", "text.translate", {"text": "thank you", "language": "japanese"}),
        ("copy that to the clipboard", "text.copy", {"text": "that"}),
        ("dictate into file ideas: build a boat", "text.save", {"text": "build a boat", "file": "ideas"}),
        ("dictate to ideas.md: build a boat", "text.save", {"text": "build a boat", "file": "ideas.md"}),
        ("dictate build a boat into the file ideas", "text.save", {"text": "build a boat", "file": "ideas"}),
        ("dictate: build a boat", "text.save", {"text": "build a boat"}),
        ("dictate into clipboard: build a boat", "text.copy", {"text": "build a boat"}),
        ("copy this to the clipboard: build a boat", "text.copy", {"text": "build a boat"}),
        ("read that aloud", "text.speak", {"text": "that"}),
        ("read this aloud: a boat", "text.speak", {"text": "a boat"}),
        ("say out loud: a boat", "text.speak", {"text": "a boat"}),
        ("add dentist on friday at 3pm to my calendar", "event.add", {"title": "dentist", "at": "2026-11-27T15:00:00"}),
        ("put mum's birthday in my calendar on 5 December", "event.add",
         {"title": "mum's birthday", "at": "2026-12-05"}),
        ("what's on my calendar next week", "event.show", {"when": "next week"}),
        ("delete the dentist from my calendar", "event.remove", {"title": "dentist"}),
    ],
)  # fmt: skip
def test_rules_for_texts_and_the_calendar(text: str, tool: str, arguments: dict[str, str]) -> None:
    (call,) = Bench().decide(text).calls
    assert (call.tool, call.arguments) == (tool, arguments)


@pytest.mark.parametrize(
    "text",
    ["what is the capital in Italian law", "say something nice in the morning", "what is hello in French",
     "how do you say that in court", "read the room", "put the milk in the fridge", "read aloud",
     "what do you dictate", "say this: it is late", "change the fact", "correct what you said about Rome"],
)  # fmt: skip
def test_talk_stays_talk(text: str) -> None:
    assert Bench().decide(text).handled_by == MODEL


def test_a_translation_is_written_by_the_model_from_the_text_alone(fake_model: ScriptedModel) -> None:
    bench = Bench()
    chat = Chat(Conversation(system="Be brief."), bench.history, router=bench.router)
    fake_model.enqueue("The cat is on the roof.")
    "".join(chat_turn(chat.ask("Tell me about the cat."), Turn(), chat, fake_model))
    fake_model.enqueue("Die Katze ist|auf dem Dach.")
    said = "".join(chat_turn(chat.ask("translate that into German"), Turn(), chat, fake_model))
    assert said == "Die Katze istauf dem Dach."
    contents = [m.content for m in fake_model.prompts[-1].messages]
    assert contents[1:] == ["The cat is on the roof."] and "German" in contents[0]
    assert chat.conversation.branch()[-1].handled_by.startswith("rule text.translate, ")


def test_dictation_is_confirmed_and_goes_into_a_private_file(home: Path) -> None:
    bench = Bench()
    assert "Not done" in bench.say("dictate into file ../../etc/x: build a boat")
    bench.yes = True
    said = bench.say("dictate into file ideas: build a boat")
    path = home / "dictation" / "ideas.txt"
    assert str(path) in said and path.read_text() == "build a boat\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in home.rglob("*") if p.is_file()] == ["ideas.txt"]
    assert bench.asked[-1].question == f"Write 3 words to {path}?"


def test_a_link_in_the_place_of_the_file_is_not_followed(home: Path) -> None:
    bench = Bench()
    bench.yes = True
    (home / "dictation").mkdir()
    (home / "victim").write_text("mine")
    (home / "dictation" / "ideas.txt").symlink_to(home / "victim")
    assert "cannot be written" in bench.say("dictate into file ideas: overwritten")
    assert (home / "victim").read_text() == "mine"


def test_without_a_clipboard_or_a_voice_it_says_so_and_with_one_it_is_used() -> None:
    bench = Bench()
    bench.surroundings.last_reply = "The boiler is in the cellar."
    assert "no clipboard here" in bench.say("copy that to the clipboard")
    assert "no voice here" in bench.say("read that aloud")
    heard: list[str] = []
    bench.surroundings.hooks = {"clipboard": heard.append, "speak": heard.append}
    assert bench.say("copy that to the clipboard") == "Copied 6 words to the clipboard."
    bench.say("read that aloud")
    assert heard == ["The boiler is in the cellar."] * 2


def test_the_calendar_keeps_shows_and_gives_up_entries() -> None:
    bench = Bench()
    assert bench.say("add dentist on friday at 3pm to my calendar").startswith("In the calendar: dentist, Friday 27")
    assert "On which day?" in bench.say("put choir into my calendar")
    assert "choir" in bench.say("next tuesday at 7pm")
    assert "dentist" in bench.say("what's on my calendar this week")
    assert bench.say("what's on my calendar tomorrow") == "There is nothing in the calendar tomorrow."
    bench.yes = True
    assert "Taken out" in bench.say("delete the dentist from my calendar")
    assert bench.asked[-1].question.startswith("Take dentist, Friday 27 November 2026 at 15:00 out of the calendar?")
    assert "dentist" not in bench.say("what's on my calendar this week")
    bench.say("undo")
    assert "dentist" in bench.say("what's on my calendar this week")


def test_facts_are_shown_changed_and_forgotten() -> None:
    bench = Bench()
    bench.yes = True
    bench.say("remember that my bike is green")
    bench.say("remember that the plumber comes on Friday")
    assert bench.say("change what you know about my bike to red").startswith("I will remember: my bike is red.")
    assert "my bike is red" in bench.say("show my facts") and "green" not in bench.say("what do you remember")
    assert "Undone" in bench.say("undo")
    assert "my bike is green" in bench.say("what do you know about me")
    bench.say("correct the fact that the plumber comes on Friday to: the plumber comes on Monday")
    assert "Monday" in bench.say("what do you know about me")
    assert "nothing about that" in bench.say("change the fact about my boat to my boat is sold")
    assert "all 2 facts" in bench.say("forget everything you know about me")
    assert bench.asked[-1].question == "Forget all 2 facts that you told me?"
    assert bench.say("list my facts") == "You have told me nothing to remember."
    assert bench.say("forget everything you know about me") == "You have told me nothing to remember."
