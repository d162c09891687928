"""The gateway against a real Home Assistant with its demo devices; real_home_assistant.py makes one and runs this."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant import config, paths
from assistant.config import HomeGateway, Settings
from assistant.gateway import client, start
from assistant.gateway.client import Kept
from assistant.history import ephemeral_history
from assistant.home.model import Entity
from assistant.router import Router
from assistant.tools.opening import surroundings_for

PLACE = os.environ.get("REAL_HOME_ASSISTANT", "")
pytestmark = pytest.mark.skipif(not PLACE, reason="REAL_HOME_ASSISTANT is not set; see real_home_assistant.py")


@pytest.fixture
def router(assistant_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Router]:
    monkeypatch.setattr(client, "_connected", None)
    monkeypatch.setattr(start, "running", None)
    address, port, token = PLACE.split()
    config.save(Settings(gateway=HomeGateway(address, int(port))), paths.settings_file())
    gateway = start.start(["ask"])
    assert gateway is not None
    real = client.connect(gateway, Kept(token))
    assert real.problem == ""
    yield Router(surroundings_for(ephemeral_history()))
    gateway.channel.close()


@pytest.mark.parametrize(
    ("said", "entity", "state", "attribute"),
    [
        ("turn off the bed light", "light.bed_light", "off", None),
        ("set the bed light to 40%", "light.bed_light", "on", ("brightness", 102)),
        ("unlock the front door", "lock.front_door", "unlocked", None),
        ("lock the front door", "lock.front_door", "locked", None),
        ("set the living room fan to 33%", "fan.living_room_fan", "on", ("percentage", 33)),
        ("turn off the living room fan", "fan.living_room_fan", "off", None),
        ("pause the walkman", "media_player.walkman", "paused", None),
        ("set the heatpump to 23 degrees", "climate.heatpump", "heat", ("temperature", 23)),
    ],
)
def test_real_devices_move(
    router: Router, said: str, entity: str, state: str, attribute: tuple[str, float] | None
) -> None:
    reply = router.act(router.decide(said), lambda confirmation: True)
    assert reply.error is None, reply.text
    router.surroundings.home()
    client._connected._seen_s = -10  # type: ignore[union-attr]  # look now, not in a second
    found = router.surroundings.home().entity(entity)
    assert found is not None
    if (state == "unlocked" and found.state == "unlocking") or (state == "locked" and found.state == "locking"):
        return  # the demo's lock takes a moment
    assert found.state == state
    if attribute:
        assert found.attributes[attribute[0]] == attribute[1]


@pytest.mark.parametrize(
    ("said", "entity"),
    [
        ("turn off the bed light", "light.bed_light"),
        ("set the bed light to 70%", "light.bed_light"),
        ("set the bed light to red", "light.bed_light"),
        ("turn on the living room fan", "fan.living_room_fan"),
        ("pause the walkman", "media_player.walkman"),
        ("turn off the walkman", "media_player.walkman"),
        ("set the walkman volume to 20 percent", "media_player.walkman"),
        ("set the heatpump to 23 degrees", "climate.heatpump"),
        ("turn off the heatpump", "climate.heatpump"),
        ("lock the kitchen door", "lock.kitchen_door"),
    ],
)
def test_undo_puts_real_devices_back(router: Router, said: str, entity: str) -> None:
    def seen() -> Entity:
        for _ in range(40):  # the demo's lock and covers take a moment
            client._connected._seen_s = -10  # type: ignore[union-attr]
            found = router.surroundings.home().entity(entity)
            assert found is not None
            if not found.state.endswith("ing") or found.state == "playing":
                return found
            time.sleep(0.25)
        raise AssertionError(f"{entity} does not settle")

    # set up: a lamp that shines, a player that plays
    for first in ("turn on the bed light", "turn on the walkman", "set the heatpump to 20 degrees"):
        router.act(router.decide(first), lambda confirmation: True)
    before = seen()
    done = router.act(router.decide(said), lambda confirmation: True)
    assert done.error is None, done.text
    assert seen() != before, "nothing was done that could be undone"
    undone = router.act(router.decide("undo"), lambda confirmation: True)
    assert undone.text == f"Undone: “{said}”.", undone.text
    after = seen()
    assert after.state == before.state
    for attribute in ("brightness", "color_mode", "percentage", "volume_level", "temperature"):
        assert after.attributes.get(attribute) == before.attributes.get(attribute), attribute
