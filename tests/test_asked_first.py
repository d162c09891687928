"""What is asked before it is done: at what time to wake, on which player to play; and what is done beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant.home.model import Entity
from assistant.tools.players import everywhere, one_player
from tool_bench import Bench, bench_with

PLAYERS = """
allowed: [media_player]
areas:
  - {name: Kitchen, id: kitchen}
  - {name: Den, id: den}
entities:
  - {name: Radio, id: media_player.radio, area: kitchen, state: "off"}
  - {name: Stereo, id: media_player.stereo, area: den, state: "off"}
"""


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def silent(tmp_path: Path) -> Bench:
    """Two players, both off."""
    path = tmp_path / "home.yaml"
    path.write_text(PLAYERS, encoding="utf-8")
    return bench_with(path)


@pytest.mark.parametrize(
    ("request_", "asked", "answer", "set_for"),
    [
        ("wake me tomorrow", "For what time tomorrow?", "at 7", "tomorrow at 07:00"),
        ("wake me up on friday", "For what time on Friday 27 November?", "half past six", "27 November at 06:30"),
        ("set an alarm for tomorrow", "For what time tomorrow?", "saturday at 8", "Saturday 28 November at 08:00"),
        ("wake me up on the 28th", "For what time on Saturday 28 November?", "7pm", "28 November at 19:00"),
    ],
)
def test_an_alarm_for_a_day_asks_for_the_time(
    bench: Bench, request_: str, asked: str, answer: str, set_for: str
) -> None:
    assert bench.say(request_) == asked
    assert f"{set_for} (" in bench.say(answer)


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ("wake me tomorrow morning", "tomorrow at 08:00"),
        ("set an alarm for tonight", "20:00"),
        ("wake me tomorrow at 6", "tomorrow at 06:00"),
    ],
)
def test_a_part_of_the_day_has_a_time_that_is_told(bench: Bench, request_: str, said: str) -> None:
    assert f"Alarm set for {said} (" in bench.say(request_)


def test_moved_to_another_day_an_alarm_keeps_its_time(bench: Bench) -> None:
    bench.say("wake me at 6:45")
    assert "Friday 27 November at 06:45" in bench.say("move my alarm to friday")
    assert "Saturday 28 November at 06:45" in bench.say("move it to saturday")


def test_a_reminder_that_is_moved_keeps_its_time(bench: Bench) -> None:
    bench.say("remind me tomorrow at 5 to call Bob")
    assert "Friday 27 November at 17:00" in bench.say("move it to friday")


def test_what_stands_beside_a_question_is_done(bench: Bench) -> None:
    said = bench.say("set an alarm for tomorrow and a timer for 5 minutes")
    assert said == "For what time tomorrow?\nTimer set for 5 minutes."
    assert "tomorrow at 07:00" in bench.say("7")


def test_what_may_refer_to_it_waits(bench: Bench) -> None:
    assert bench.say("set a timer and call it pasta") == "For how long?"


def test_a_song_is_played_where_music_was_last(bench: Bench) -> None:
    assert bench.say("play some jazz") == "Playing some jazz: Office Speaker."  # it is paused, the television is off
    bench.say("pause the music")
    bench.say("play Thriller on the TV")
    assert bench.say("play some jazz") == "Playing some jazz: Television."
    assert bench.state("media_player.office") == "paused"


def test_where_no_player_was_used_it_is_asked_on_which(silent: Bench) -> None:
    assert silent.say("play some jazz") == "Which one: Radio, Stereo?"
    assert silent.state("media_player.radio") == "off"
    assert silent.say("the stereo") == "Playing some jazz: Stereo."
    assert (silent.state("media_player.radio"), silent.state("media_player.stereo")) == ("off", "playing")


def test_a_room_tells_which(silent: Bench) -> None:
    assert silent.say("play some jazz in the kitchen") == "Playing some jazz: Radio."


def test_everywhere_is_on_all_players(silent: Bench) -> None:
    assert silent.say("play the Beatles everywhere") == "Playing the Beatles: Radio, Stereo."


@pytest.mark.parametrize(
    "query", ["jazz on all speakers", "jazz in every room", "jazz throughout the house", "jazz everywhere"]
)
def test_ways_to_say_everywhere(query: str) -> None:
    assert everywhere({"search_query": query}) == {"search_query": "jazz", "everywhere": True}


@pytest.mark.parametrize("query", ["Everywhere", "Here, There and Everywhere", "jazz in my room", "All the Rooms"])
def test_a_title_is_no_place(query: str) -> None:
    assert "everywhere" not in everywhere({"search_query": query})


def test_the_player_in_use_is_taken() -> None:
    off, paused, playing = (Entity(f"media_player.{s}", s, state=s) for s in ("off", "paused", "playing"))
    assert one_player([off, paused, playing]) == [playing]
    assert one_player([off, paused]) == [paused]
    assert one_player([off, off]) == [off, off]
    assert one_player([paused, paused, off]) == [paused, paused, off]
