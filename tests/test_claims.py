"""Commands that nothing can carry out are refused by a rule; a model's reply that reads like an act is told apart."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from assistant.chat import Chat
from assistant.claims import NOTHING_DONE, is_command, told_apart
from assistant.conversation import Conversation
from assistant.home.model import Home
from assistant.rules.german_beyond import NOTHING_DONE as GERMAN_NOTHING_DONE
from assistant.session import chat_turn
from assistant.tools.calls import Call
from assistant.tools.registry import Registry
from assistant.turn import Turn
from fakes import ScriptedModel
from tool_bench import Bench


@pytest.fixture(scope="module")
def shared() -> Bench:
    return Bench()


@pytest.mark.parametrize(
    ("text", "tool"),
    [
        ("send mum a message that I'm late", "system.needs_network"),
        ("email the report to Anna", "system.needs_network"),
        ("pay the electricity bill", "system.needs_network"),
        ("call me a taxi", "system.needs_network"),
        ("post this on facebook", "system.needs_network"),
        ("install the update", "system.needs_network"),
        ("transfer 50 euros to Anna", "system.needs_network"),
        ("feed the cat", "system.needs_hands"),
        ("start the dishwasher", "system.needs_hands"),
        ("make me a cup of tea please", "system.needs_hands"),
        ("take a picture of me", "system.needs_hands"),
        ("print this page", "system.needs_hands"),
        ("close all my browser tabs", "system.needs_hands"),
        ("switch the channel to BBC", "system.needs_hands"),
        ("find my phone", "system.needs_hands"),
        ("delete everything I told you yesterday", "system.keeps_history"),
    ],
)
def test_what_cannot_be_done_is_refused(shared: Bench, text: str, tool: str) -> None:
    reply = shared.act(text)
    assert reply.decision.tool == tool
    assert "Nothing was" in reply.text


def test_a_chore_can_be_reminded_of() -> None:
    assert "remind me at 6 to water the plants" in Bench().say("water the plants")


@pytest.mark.parametrize(
    "text",
    [
        "write an email to my landlord about the broken heater",
        "write a text message to my boss that I am ill",
        "make it shorter",
        "print hello world in python",
        "print the first ten primes",
        "make me a pasta recipe",
        "make me a workout plan",
        "fix the bug in this code",
        "find the cat in the sentence",
        "order the planets by size",
        "record the following as json: a, b",
        "call me Ishmael",
        "play the role of a pirate",
        "let's play 20 questions",
        "scan this poem for metre",
        "delete all vowels from the word banana",
        "water cycle explained",
        "share a fun fact",
    ],
)
def test_requests_for_words_stay_with_the_model(shared: Bench, text: str) -> None:
    assert shared.decide(text).calls == ()


def reply_to(request: str, *pieces: str) -> str:
    return "".join(told_apart(request, iter(pieces), Turn()))


@pytest.mark.parametrize(
    ("request_", "reply"),
    [  # as SmolLM2 and Qwen 0.5B wrote them behind the replies of tools
        ("turn the thingy down", "Turned down: Kitchen Light."),
        ("change it to the other one", "Changed it to the other one: Kitchen Light."),
        ("make it like yesterday", "I will make it like yesterday: Thursday 3 December at 12:00."),
        ("run the robot only where it is dirty", "Run the robot: Kitchen."),
        ("set the mood for a movie night", "Sure! I'll dim the lights for you."),
        ("lower the curtain thing", "The curtain is now lowered."),
    ],
)
def test_a_reply_that_reads_like_an_act(request_: str, reply: str) -> None:
    assert is_command(request_)
    assert reply_to(request_, reply[:5], reply[5:]) == f"{reply}\n\n{NOTHING_DONE}"


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        ("make it shorter", "I have made it shorter: The cat sat."),  # about words: the answer is the act
        ("start a story about a dragon", "I am a dragon, said the dragon."),
        ("how do I turn on the heating?", "Turned on by the switch beside the door."),
        ("turn water into wine, how would that work", "I am sorry, that is a miracle."),
        ("set the table for a dinner of six", "Place a plate before each chair."),
        ("what is a set", "Set theory is a branch of mathematics."),
        ("tell me about the moon", "It is on average 384,400 km away."),
    ],
)
def test_other_replies_are_left_alone(request_: str, reply: str) -> None:
    assert reply_to(request_, reply) == reply


def test_a_reply_that_was_stopped_is_left_alone() -> None:
    turn = Turn()
    turn.cancel()
    assert "".join(told_apart("turn the thingy down", iter(["Turned"]), turn)) == "Turned"


def test_it_is_kept_with_the_conversation_and_shown() -> None:
    bench, model = Bench(), ScriptedModel()
    chat = Chat(Conversation(), bench.history, router=bench.router)
    model.enqueue("Turned| down.")
    reply = chat.ask("turn the thingy down")
    shown = "".join(chat_turn(reply, Turn(), chat, model))
    assert shown == f"Turned down.\n\n{NOTHING_DONE}"
    assert chat.conversation.messages[reply.id].content == shown


@pytest.mark.parametrize("text", ["turn on the sauna", "switch the sauna off", "open the skylight", "lock the shed",
                                  "set the oven to 180 degrees", "turn on the lights in the attic"])  # fmt: skip
def test_a_device_that_is_not_there(shared: Bench, text: str) -> None:
    reply = shared.act(text)
    assert reply.decision.tool == "system.no_such_device"
    assert "so nothing was done" in reply.text


@pytest.mark.parametrize("text", ["turn on the charm", "close the deal", "open the file notes.txt", "start the story",
                                  "turn water into wine", "stop the world", "turn left"])  # fmt: skip
def test_talk_is_no_device(shared: Bench, text: str) -> None:
    assert shared.decide(text).calls == ()


def test_the_telly_and_some_music(shared: Bench) -> None:
    assert shared.decide("turn on the telly").calls == shared.decide("turn on the tv").calls != ()
    assert (shared.decide("turn on some music").tool or "").startswith("media.")


def test_a_loop_is_no_act() -> None:
    turn = Turn()
    turn.usage.finish_reason = "repetition"
    assert "".join(told_apart("turn the thingy down", iter(["Turned down. Turned down."]), turn)).endswith("down.")


class Heats:
    """Chooses as SmolLM2 did for "make it 12 instead"."""

    def choose(self, text: str, home: Home, tools: Registry) -> Sequence[Call]:
        return [Call("home.temperature", {"temperature": 12.0})]


@pytest.mark.parametrize(
    ("text", "acts"), [("hmm, rather make it 12", False), ("could you get it to 12 degrees", True)]
)
def test_no_model_takes_it_for_the_whole_house(shared: Bench, text: str, acts: bool) -> None:
    assert bool(shared.router.decide(text, Heats()).calls) is acts


@pytest.mark.parametrize(
    ("asked", "reply"),
    [
        ("Mach es wie gestern", "Ich habe das Licht wie gestern eingestellt."),
        ("bestell bitte das Übliche", "Okay, deine Pizza ist bestellt."),
        ("schalte den Beamer ein", "Turned on: projector."),
    ],
)
def test_a_german_claim_is_told_apart_in_german(asked: str, reply: str) -> None:
    assert reply_to(asked, reply[:5], reply[5:]) == f"{reply}\n\n{GERMAN_NOTHING_DONE}"


@pytest.mark.parametrize(
    ("asked", "reply"),
    [
        ("Mach den Text kürzer", "Ich habe den Text gekürzt."),
        ("Mach das Licht aus", "Ich kann das Licht leider nicht ausschalten."),
        ("Wie mache ich das Licht aus?", "Ich habe dazu keine Angaben."),
        ("Mach mir Mut", "Du schaffst das!"),
    ],
)
def test_a_german_answer_in_words_stays_as_it_is(asked: str, reply: str) -> None:
    assert reply_to(asked, reply[:5], reply[5:]) == reply
