"""A bit more or less, all but some, all locks, "and the lamp", "a new one": what refers to devices and actions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from assistant.home.model import Entity, simulated
from assistant.router import MODEL
from assistant.tools import Level
from tool_bench import Bench


@pytest.fixture
def bench() -> Bench:
    return Bench()


def attribute(bench: Bench, entity_id: str, name: str) -> float:
    entity = bench.surroundings.home().entity(entity_id)
    assert entity is not None
    return float(entity.attributes[name])


def two_doors() -> Bench:
    """The simulated home with a second lock."""
    home = simulated()
    return Bench(home=replace(home, entities=(*home.entities, Entity("lock.back", "Back Door", "kitchen", "locked"))))


@pytest.mark.parametrize(
    ("text", "on"),
    [
        ("turn on the hallway light and the fan", ("light.hallway", "fan.living_room")),  # the only fan is elsewhere
        ("turn on the bedroom light and the tv", ("light.bedroom", "media_player.tv")),
        ("turn on the kitchen light and the living room fan", ("light.kitchen", "fan.living_room")),
        ("turn on the kitchen light and the coffee machine", ("light.kitchen", "switch.coffee")),
    ],
)
def test_the_room_of_the_first_device_is_not_that_of_the_second(bench: Bench, text: str, on: tuple[str, ...]) -> None:
    assert "There is no" not in bench.say(text)
    entities = {e.id: e for e in bench.surroundings.home().entities}
    assert [entities[device].state for device in on] == ["on", "on"]


def test_a_part_with_a_verb_of_its_own_is_no_title(bench: Bench) -> None:
    decision = bench.decide("play some jazz in the office and dim the lights")
    assert [call.tool for call in decision.calls] == ["media.play", "home.step"]
    assert "dim" not in str(decision.calls[0].arguments)


def test_whether_all_lights_are_off(bench: Bench) -> None:
    assert bench.say("are the lights off") == "Yes."
    bench.say("turn on the floor lamp")
    assert bench.say("are the lights off").startswith("No, Floor Lamp")
    assert bench.say("is the front door locked and are the lights off").startswith(
        "Yes, Front Door: locked.\nNo, Floor"
    )


@pytest.mark.parametrize(
    ("text", "tools"),
    [
        ("turn on everything in the kitchen and set a timer for 3 minutes called eggs", "home.turn_on + timer.start"),
        ("set a timer for 3 minutes and turn off everything upstairs", "timer.start + home.turn_off"),
        ("turn off the kitchen and lock the front door", "home.turn_off + home.turn_on"),
        ("set the living room lights to 40% and play some music", "home.light + media.resume"),
        ("set the kitchen light to 30% and the bedroom radiator to 20 degrees", "home.light + home.temperature"),
    ],
)
def test_all_of_a_room_may_be_one_of_several_actions(bench: Bench, text: str, tools: str) -> None:
    assert bench.decide(text).tool == tools


@pytest.mark.parametrize(
    "text", ["turn down the music", "turn the music down", "make the music quieter", "lower the sound"]
)
def test_music_is_turned_down_like_the_volume(bench: Bench, text: str) -> None:
    call = bench.decide(text).calls[0]
    assert (call.tool, call.arguments["volume_step"]) == ("media.volume_step", "down")


@pytest.mark.parametrize("text", ["close the bedroom blinds at sunset", "at dawn, open the bedroom blinds"])
def test_the_sun_is_not_waited_for(bench: Bench, text: str) -> None:
    assert bench.decide(text).tool == "system.no_routine"


def test_all_of_a_room_can_be_put_off(bench: Bench) -> None:
    call = bench.decide("turn off everything in the kitchen at 11 pm").calls[0]
    assert call.tool == "timer.start"
    assert call.arguments["conversation_command"] == "turn off everything in the kitchen"


def test_brighter_and_dimmer_are_about_the_light_spoken_of(bench: Bench) -> None:
    bench.say("dim the kitchen light to 50%")
    bench.say("make it brighter")
    assert attribute(bench, "light.kitchen", "brightness") == pytest.approx(0.7 * 255, abs=1)
    bench.say("a bit more")
    assert attribute(bench, "light.kitchen", "brightness") == pytest.approx(0.9 * 255, abs=1)
    bench.say("dim it by 30 percent")
    assert attribute(bench, "light.kitchen", "brightness") == pytest.approx(0.6 * 255, abs=1)
    for _ in range(6):
        bench.say("darker")
    assert bench.state("light.kitchen") == "on"  # dimming does not switch off
    bench.say("turn it off")
    assert bench.say("make it dimmer") == "Kitchen Light is off."


def test_warmer_is_about_heating_wherever_one_was(bench: Bench) -> None:
    bench.say("turn on the bedroom light")
    assert bench.say("make the bedroom a bit warmer") == "Bedroom Radiator: heat (set to 19 degrees)."
    assert bench.say("two degrees warmer") == "Bedroom Radiator: heat (set to 21 degrees)."
    assert bench.say("make it 20 degrees").startswith("Bedroom Radiator: set to 20")
    assert "Thermostat: heat (set to 19 degrees)" in bench.say("turn down the heating")
    assert attribute(bench, "climate.bedroom", "temperature") == 19
    assert bench.say("it's too cold in the bedroom") == "Bedroom Radiator: heat (set to 20 degrees)."


def test_without_a_device_it_is_asked_which(bench: Bench) -> None:
    assert bench.say("make it warmer") == "Which one: Thermostat, Bedroom Radiator?"
    assert bench.say("the bedroom radiator") == "Bedroom Radiator: heat (set to 19 degrees)."
    assert Bench().decide("make it brighter").handled_by == MODEL
    assert Bench().decide("make it lighter, the text is too serious").handled_by == MODEL


def test_louder_faster_and_up(bench: Bench) -> None:
    bench.say("turn on the TV")
    bench.say("make it louder")
    assert attribute(bench, "media_player.tv", "volume_level") == pytest.approx(0.5)
    bench.say("turn on the living room fan")
    bench.say("slower")
    assert attribute(bench, "fan.living_room", "percentage") == 75
    bench.say("turn on the desk lamp")
    bench.say("turn it down")
    assert attribute(bench, "light.desk", "brightness") == pytest.approx(0.8 * 255, abs=1)


def test_and_another_device_and_another_colour(bench: Bench) -> None:
    bench.say("turn on the kitchen light")
    bench.say("and the hallway light")
    assert bench.state("light.hallway") == "on"
    bench.say("make it red")
    assert bench.surroundings.home().entity("light.hallway").attributes["color"] == "red"  # type: ignore[union-attr]
    bench.say("turn on the desk lamp and set it to 40%")
    assert attribute(bench, "light.desk", "brightness") == pytest.approx(0.4 * 255, abs=1)


def test_all_but_some(bench: Bench) -> None:
    for light in ("kitchen", "hallway", "bedroom", "desk", "living_room"):
        bench.say(f"turn on the {light.replace('living_room', 'ceiling').replace('desk', 'office')} lights")
    bench.say("turn on the coffee machine")
    bench.say("turn off everything except the kitchen and the desk lamp")
    on = [e.id for e in bench.surroundings.home().entities if e.domain in ("light", "switch") and e.state == "on"]
    assert sorted(set(on) - {"light.worktop"}) == ["light.desk", "light.kitchen", "switch.coffee"]
    bench.say("turn off all the lights but the desk lamp")
    assert (bench.state("light.desk"), bench.state("light.kitchen")) == ("on", "off")
    before = bench.surroundings.home()
    assert bench.say("turn off everything except the sauna") == "There is no sauna in this home, so nothing was done."
    assert bench.surroundings.home() == before


@pytest.mark.parametrize("text", ["lock everything", "lock all doors", "lock all the doors", "lock up"])
def test_all_locks_are_one_question_that_names_each(text: str) -> None:
    bench = two_doors()
    bench.yes = True
    bench.say("unlock all the doors")
    assert (bench.state("lock.front_door"), bench.state("lock.back")) == ("unlocked", "unlocked")
    bench.asked.clear()
    bench.say(text)
    assert (bench.state("lock.front_door"), bench.state("lock.back")) == ("locked", "locked")
    (asked,) = bench.asked
    assert asked.level == Level.GUARD
    assert asked.question == "Lock the Front Door, Back Door?"
    assert "Front Door, Back Door are unlocked now." in asked.detail
    bench.yes = False
    bench.say("unlock everything")
    assert (bench.state("lock.front_door"), bench.state("lock.back")) == ("locked", "locked")


def test_taking_back_a_lock_needs_the_key_as_well(bench: Bench) -> None:
    bench.yes = True
    bench.say("unlock the front door")
    bench.say("lock the front door")
    bench.yes = False
    reply = bench.act("undo")
    assert reply.error is not None and reply.error.exit_code == 3
    assert bench.state("lock.front_door") == "locked"
    bench.yes = True
    assert bench.say("undo").startswith("Undone")
    assert bench.state("lock.front_door") == "unlocked"
    assert [c.level for c in bench.asked[-2:]] == [Level.GUARD, Level.GUARD]


@pytest.mark.parametrize(
    ("text", "tools", "left"),
    [
        ("cancel the timer and set a new one for 10 minutes", "timer.cancel + timer.start", "10 minutes"),
        ("cancel that and set one for 8 minutes instead", "timer.cancel + timer.start", "8 minutes"),
        ("stop the timer and start another one for 3 minutes", "timer.cancel + timer.start", "3 minutes"),
    ],
)
def test_a_new_one_is_of_the_same_kind(bench: Bench, text: str, tools: str, left: str) -> None:
    bench.say("set a timer for 5 minutes")
    assert bench.act(text).decision.tool == tools
    status = bench.say("how much time is left on the timer")
    assert left in status and "\n" not in status


def test_a_borrowed_verb_keeps_its_way(bench: Bench) -> None:
    for text in ("turn off the TV and the speaker", "turn off the desk lamp and the ceiling light"):
        assert bench.decide(text).tool == "home.turn_off + home.turn_off"
    for text in ("lock the front door and the garage door", "unlock the front door and the garage door"):
        assert all(c.arguments.get("name") != "Garage Door" for c in bench.decide(text).calls)
    text = "close the blinds and turn off the kitchen light and the desk lamp"
    assert bench.decide(text).tool == "home.turn_off + home.turn_off + home.turn_off"
    for text in ("switch the desk lamp and the floor lamp off", "lights off, TV off"):
        assert bench.decide(text).tool == "home.turn_off + home.turn_off"
    warm = bench.decide("set the bedroom and the living room to 20 degrees").calls
    assert [(c.arguments["area"], float(c.arguments["temperature"])) for c in warm] == [
        ("bedroom", 20),
        ("living room", 20),
    ]
    until = bench.decide("turn on the garden lights until 10 pm").calls
    assert [c.tool for c in until] == ["home.turn_on", "timer.start"]
    assert until[1].arguments == {"hours": 10, "conversation_command": "turn off the garden lights"}
    assert bench.decide("turn off the TV and turn on the desk lamp").tool == "home.turn_off + home.turn_on"
    both = bench.decide("turn on the lights in the kitchen and the living room").calls
    assert [c.arguments["area"] for c in both] == ["Kitchen", "Living Room"]
    two = bench.decide("set a 20 minute timer for the pizza and a 5 minute one for the eggs").calls
    assert [c.arguments["minutes"] for c in two] == [20, 5]


def test_a_timer_is_set_and_named_in_one_request(bench: Bench) -> None:
    bench.say("set a timer for 9 minutes and call it pasta")
    assert "pasta timer" in bench.say("how long is left on the pasta timer")
    assert bench.decide("cancel the alarm and set a new one for 7").tool == "alarm.cancel + alarm.set"


def test_lists_are_made_kept_and_deleted(bench: Bench) -> None:
    assert bench.say("create a new list called hardware store") == (
        "Made the hardware store list. What shall I put on it?"
    )
    assert bench.say("add nails") == "Added nails to the hardware store list."
    assert bench.say("create a list called hardware store").startswith("There is a hardware store list already, with 1")
    assert bench.say("create a new list") == "What shall I call the list?"
    assert bench.say("gifts") == "Made the gifts list. What shall I put on it?"
    assert "gifts: 0 open" in bench.say("which lists do I have")
    assert bench.act("delete the hardware store list").error is not None
    bench.yes = True
    bench.say("delete the hardware store list")
    assert "hardware" not in bench.say("which lists do I have")
    bench.say("undo")
    assert bench.say("what is on the hardware store list") == "- nails"


@pytest.mark.parametrize(
    ("first", "then", "tool", "arguments"),
    [
        ("open the bedroom blinds", "close them again", "home.turn_off", {"name": "Bedroom Blinds"}),
        ("open the bedroom blinds", "open them halfway", "home.position", {"name": "Bedroom Blinds", "position": 50}),
        ("is the front door locked", "unlock it", "home.turn_off", {"name": "Front Door"}),
        ("is the garage door open", "close it", "home.turn_off", {"name": "Garage Door"}),
        ("turn on the TV", "mute it", "media.mute", {"name": "Television"}),
        ("start the vacuum", "send it home", "vacuum.dock", {}),
        ("what's 7 times 8", "plus 4", "calculator", {"expression": "(7 times 8) plus 4"}),
        ("what time is it", "and in New York", "clock.time", {"place": "New York"}),
    ],
)
def test_verbs_that_refer_back(bench: Bench, first: str, then: str, tool: str, arguments: dict[str, object]) -> None:
    bench.say(first)
    (call,) = bench.decide(then).calls
    assert (call.tool, call.arguments) == (tool, arguments)


@pytest.mark.parametrize(
    ("first", "then"),
    [("turn on the kitchen light", "close it"), ("lock the front door", "and the garage door"),
     ("write a poem", "make it darker")],
)  # fmt: skip
def test_a_verb_that_does_not_fit_moves_nothing(bench: Bench, first: str, then: str) -> None:
    bench.yes = True
    bench.say(first)
    assert bench.decide(then).handled_by == MODEL


@pytest.mark.parametrize(
    ("text", "tool", "arguments"),
    [
        ("set the living room lights to 30%", "home.light",
         {"area": "Living Room", "domain": "light", "brightness": 30}),
        ("turn on the desk lamp at 40%", "home.light", {"name": "Desk Lamp", "brightness": 40}),
        ("set the fan to high", "home.fan_speed", {"domain": "fan", "percentage": 100}),
        ("turn off the kitchen", "home.turn_off", {"area": "Kitchen", "domain": "light"}),
        ("is the TV on", "home.state", {"name": "Television", "state": "on", "response": "any"}),
        ("did I leave the garage open", "home.state",
         {"area": "Garage", "domain": "cover", "state": "open", "response": "any"}),
        ("is everything locked", "home.state", {"domain": "lock", "state": "locked", "response": "all"}),
        ("set the temperature to 22 in the living room", "home.temperature",
         {"area": "living room", "temperature": "22"}),
        ("remind me to take out the trash tonight", "reminder.set",
         {"message": "take out the trash", "at": "2026-11-24T20:00:00"}),
        ("what's 100 dollars in euros", "system.needs_network", {"topic": "exchange rates"}),
        ("what is 3 pounds in grams", "units.convert", {"value": "3", "unit": "pounds", "to": "grams"}),
        ("roll 3d6", "chance.dice", {"n": 3, "sides": 6}),
        ("pick a number between 1 and 10", "chance.number", {"low": "1", "high": "10"}),
        ("open the front door", "home.turn_off", {"name": "front door"}),
        ("close the curtains halfway", "home.position", {"device_class": "curtain", "domain": "cover", "position": 50}),
        ("lights at 30%", "home.light", {"domain": "light", "brightness": 30}),
        ("volume 30", "media.volume", {"volume_level": "30"}),
        ("stop the vacuum", "vacuum.dock", {}),
        ("leave the hallway light on and turn everything else off", "home.turn_off",
         {"domain": ["light", "fan", "media_player", "switch"], "but": ["hallway light"]}),
        ("turn on the living room lights but not the floor lamp", "home.turn_on",
         {"area": "Living Room", "domain": "light", "but": ["floor lamp"]}),
        ("remind me every evening to lock the door", "reminder.set",
         {"message": "lock the door", "at": "2026-11-24T19:00:00", "weekdays": (0, 1, 2, 3, 4, 5, 6)}),
        ("add tomatoes to groceries", "list.add", {"item": "tomatoes", "name": "groceries"}),
        ("are the windows closed", "home.state", {"device_class": "window", "state": "closed", "response": "all"}),
        ("did I put milk on the shopping list", "list.has", {"item": "milk", "name": "shopping"}),
    ],
)  # fmt: skip
def test_everyday_requests(bench: Bench, text: str, tool: str, arguments: dict[str, object]) -> None:
    (call,) = bench.decide(text).calls
    assert (call.tool, call.arguments) == (tool, arguments)


@pytest.mark.parametrize("text", ["is life beautiful on mars", "is the office on fire", "is the sauna on"])
def test_a_question_starts_nothing(bench: Bench, text: str) -> None:
    assert not bench.decide(text).tool.startswith("home.turn")


def test_chance_keeps_to_its_bounds(bench: Bench) -> None:
    assert bench.say("flip a coin") in ("Heads.", "Tails.")
    assert all(1 <= int(bench.say("roll a 4 sided die").rstrip(".")) <= 4 for _ in range(20))
    assert all(bench.say("pick a number between 3 and 4") in ("3.", "4.") for _ in range(20))


def test_heating_is_switched_and_playing_goes_on_where_it_was_paused(bench: Bench) -> None:
    bench.say("turn off the heating")
    assert (bench.state("climate.living_room"), bench.state("climate.bedroom")) == ("off", "off")
    bench.say("resume")
    assert (bench.state("media_player.office"), bench.state("media_player.tv")) == ("playing", "off")


def test_the_room_is_asked_for_before_anything_is_to_be_confirmed() -> None:
    bench = Bench(home=replace(simulated(), allowed=frozenset()))
    assert bench.say("it's too dark in here") == "In which room?"
    assert bench.asked == []
