"""Undo for real devices: which commands make a device again what it was, and through the real process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assistant import config, paths
from assistant.config import HomeGateway, Settings
from assistant.gateway import client, start
from assistant.gateway.actions import Refused, service_call
from assistant.gateway.client import Kept, RealHome
from assistant.gateway.messages import Act
from assistant.gateway.taking_back import Was, actions_back
from assistant.history import ephemeral_history
from assistant.home.model import Entity
from assistant.router import Router
from assistant.tools.opening import surroundings_for
from home_server import TOKEN, HomeServer

LIGHT = Entity("light.a", "A", state="off")
PLAYER = Entity("media_player.a", "A", state="playing", attributes={"volume_level": 0.3})
CLIMATE = Entity("climate.a", "A", state="heat", attributes={"temperature": 20})


def of(entity: Entity, state: str, **attributes: Any) -> Entity:
    return replace(entity, state=state, attributes=attributes)


@pytest.mark.parametrize(
    ("was", "now", "called"),
    [
        (LIGHT, of(LIGHT, "on", brightness=200), [("turn_off", {})]),
        (of(LIGHT, "on", brightness=102), of(LIGHT, "off"), [("turn_on", {"brightness_pct": 40})]),
        (of(LIGHT, "on"), of(LIGHT, "off"), [("turn_on", {})]),
        (of(LIGHT, "on", brightness=102, color_mode="color_temp", color_temp_kelvin=3000),
         of(LIGHT, "on", brightness=102, color_mode="hs"), [("turn_on", {"color_temp_kelvin": 3000})]),
        (of(LIGHT, "on", brightness=102, color_mode="hs", rgb_color=[0, 0, 255]),
         of(LIGHT, "on", brightness=102, color_mode="hs", rgb_color=[255, 0, 0]),
         [("turn_on", {"rgb_color": [0, 0, 255]})]),
        (PLAYER, of(PLAYER, "off"), [("turn_on", {}), ("media_play", {}), ("volume_set", {"volume_level": 0.3})]),
        (of(PLAYER, "off"), PLAYER, [("turn_off", {})]),
        (PLAYER, of(PLAYER, "playing", volume_level=0.8), [("volume_set", {"volume_level": 0.3})]),
        (PLAYER, of(PLAYER, "paused", volume_level=0.3), [("media_play", {})]),
        (of(PLAYER, "playing", media_title="Old"), of(PLAYER, "paused", media_title="New"), [("media_play", {})]),
        (of(PLAYER, "idle"), of(PLAYER, "off"), [("turn_on", {})]),
        (CLIMATE, of(CLIMATE, "heat", temperature=24), [("set_temperature", {"temperature": 20})]),
        (CLIMATE, of(CLIMATE, "off", temperature=20), [("set_hvac_mode", {"hvac_mode": "heat"})]),
        (CLIMATE, of(CLIMATE, "cool", temperature=22),
         [("set_hvac_mode", {"hvac_mode": "heat"}), ("set_temperature", {"temperature": 20})]),
        (of(CLIMATE, "off"), CLIMATE, [("set_hvac_mode", {"hvac_mode": "off"})]),
        (Entity("cover.a", "A", state="open", attributes={"current_position": 30}),
         Entity("cover.a", "A", state="open", attributes={"current_position": 100}),
         [("set_cover_position", {"position": 30})]),
        (Entity("cover.a", "A", state="closed"), Entity("cover.a", "A", state="opening"), [("close_cover", {})]),
        (Entity("lock.a", "A", state="locked"), Entity("lock.a", "A", state="unlocked"), [("lock", {})]),
        (Entity("fan.a", "A", state="on", attributes={"percentage": 33}),
         Entity("fan.a", "A", state="off", attributes={"percentage": 0}), [("set_percentage", {"percentage": 33})]),
        (Entity("vacuum.a", "A", state="docked"), Entity("vacuum.a", "A", state="cleaning"), [("return_to_base", {})]),
    ],
)  # fmt: skip
def test_the_way_back(was: Entity, now: Entity, called: list[tuple[str, dict[str, Any]]]) -> None:
    acts = actions_back(Was(was), now)
    assert [service_call(act)[1:] for act in acts] == called


def test_a_track_goes_back_by_one() -> None:
    acts = actions_back(Was(PLAYER, ("next",)), of(PLAYER, "playing", volume_level=0.3))
    assert [act.action for act in acts] == ["previous"]


@pytest.mark.parametrize(
    "was",
    [Entity("scene.a", "A", state="2026-01-01"), Entity("script.a", "A", state="off"), of(LIGHT, "unavailable"),
     of(LIGHT, "on", color_mode="hs")],
)  # fmt: skip
def test_what_has_no_way_back_is_said(was: Entity) -> None:
    with pytest.raises(Refused):
        actions_back(Was(was), replace(was, state="on", attributes={"brightness": 1}))


@pytest.mark.parametrize("value", ["256,0,0", "1,2", "1,2,3,4", "red", "-1,0,0"])
def test_a_colour_is_three_bytes(value: str) -> None:
    with pytest.raises(Refused):
        service_call(Act("light.a", "rgb", value))


# -- over the real process ---------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[HomeServer]:
    made = HomeServer()
    yield made
    made.close()


@pytest.fixture
def router(assistant_home: Path, server: HomeServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Router]:
    monkeypatch.setattr(client, "_connected", None)
    monkeypatch.setattr(start, "running", None)
    config.save(Settings(gateway=HomeGateway("127.0.0.1", server.port)), paths.settings_file())
    gateway = start.start(["ask", "x"])
    assert gateway is not None
    client.connect(gateway, Kept(TOKEN, frozenset({"light"})))
    yield Router(surroundings_for(ephemeral_history()))
    gateway.channel.close()


def became(server: HomeServer, entity_id: str, state: str) -> None:
    next(s for s in server.states if s["entity_id"] == entity_id)["state"] = state
    real: RealHome | None = client._connected
    assert real is not None
    real._seen_s = -10  # look now, not in a second


def test_undo_puts_a_device_back_and_not_what_was_before_it(router: Router, server: HomeServer) -> None:
    router.act(router.decide("add milk to the shopping list"))
    router.act(router.decide("turn on the sink light"))
    became(server, "light.sink", "on")
    assert router.act(router.decide("undo")).text == "Undone: “turn on the sink light”."
    assert [c["service"] for c in server.calls] == ["turn_on", "turn_off"]
    assert "milk" in router.act(router.decide("read the shopping list")).text
    router.act(router.decide("undo"))
    assert "milk" not in router.act(router.decide("read the shopping list")).text


def test_undoing_a_lock_needs_the_key_press(router: Router, server: HomeServer) -> None:
    router.act(router.decide("unlock the front door"), lambda confirmation: True)
    became(server, "lock.front", "unlocked")
    refused = router.act(router.decide("undo"))
    assert refused.error is not None and [c["service"] for c in server.calls] == ["unlock"]
    assert "Take back what was done to the Front Door?" in refused.text
    assert router.act(router.decide("undo"), lambda confirmation: True).error is None
    assert [c["service"] for c in server.calls] == ["unlock", "lock"]


def test_what_cannot_be_undone_now_can_be_later(router: Router, server: HomeServer) -> None:
    router.act(router.decide("turn on the sink light"))
    became(server, "light.sink", "unavailable")
    server.states[:] = [s for s in server.states if s["entity_id"] != "light.sink"]
    assert "Sink Light is no longer there." in router.act(router.decide("undo")).text
    router.act(router.decide("turn off the evil lamp"))
    server.close()
    became(server, "light.evil", "off")
    away = router.act(router.decide("undo"))
    assert away.error is not None and "Undone" not in away.text
    assert router.surroundings.records.last_step() is not None
