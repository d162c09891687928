"""Home Assistant's WebSocket API: log in with a long-lived token, read the home, call the services of actions.py.

Source: developers.home-assistant.io/docs/api/websocket. What comes back is cut down to what a home needs (ids, names,
rooms, states, a list of attributes) before it is passed on; names are made safe to show by the app.
"""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any, Final

from assistant.gateway.actions import Refused, service_call
from assistant.gateway.messages import Act
from assistant.gateway.websocket import WebSocket, WebSocketError

if TYPE_CHECKING:
    from assistant.gateway.tls import Tls

_TIMEOUT_S: Final = 10.0
_MAX_ENTITIES: Final = 5_000
_ATTRIBUTES: Final = frozenset(
    [
        "device_class", "unit_of_measurement", "brightness", "color_mode", "color_temp_kelvin", "rgb_color",
        "current_position",
        "percentage", "volume_level", "is_volume_muted", "media_title", "temperature", "current_temperature",
        "humidity", "current_humidity", "hvac_modes", "fan_mode", "fan_modes", "temperature_unit", "battery_level",
        "min_temp", "max_temp",
    ]
)  # fmt: skip
_DOMAINS: Final = frozenset(
    [
        "light", "switch", "input_boolean", "fan", "cover", "valve", "lock", "climate", "water_heater", "media_player",
        "vacuum", "lawn_mower", "scene", "script", "sensor", "binary_sensor", "weather", "humidifier", "siren",
        "alarm_control_panel", "person", "remote", "camera", "automation",
    ]
)  # fmt: skip


class Unreachable(Exception):
    """Home Assistant cannot be spoken to; the message says why."""


class HomeAssistant:
    """A logged-in connection. Every method raises Unreachable; act() also Refused."""

    def __init__(self, address: str, port: int, token: str, tls: Tls | None = None) -> None:
        self._number = 0
        connection, host = _connection(address), _host(address, port)
        try:
            connection.connect((address, port))
            connection = tls.over(connection) if tls else connection
            self._socket = WebSocket(connection, host, "/api/websocket")
            self._receive("auth_required")
            self._socket.send(json.dumps({"type": "auth", "access_token": token}).encode())
            self.version = str(self._receive("auth_ok").get("ha_version", ""))[:40]
        except (OSError, WebSocketError) as error:
            connection.close()
            hint = "" if tls or isinstance(error, OSError) else "; if it speaks https, connect it as https://..."
            raise Unreachable(f"Home Assistant at {host}: {_reason(error)}{hint}") from error
        except Unreachable:
            connection.close()
            raise

    def look(self) -> dict[str, Any]:
        """The home as a table (home/model.py)."""
        states = self._ask("get_states")
        entities = {e.get("entity_id"): e for e in self._ask("config/entity_registry/list")}
        devices = {d.get("id"): d for d in self._ask("config/device_registry/list")}
        areas = self._ask("config/area_registry/list")
        try:
            floors = self._ask("config/floor_registry/list")  # since 2024.4
        except Refused:
            floors = []
        return {
            "floors": [_named(f, "floor_id") for f in floors],
            "areas": [_named(a, "area_id") | {"floor": a.get("floor_id") or ""} for a in areas],
            "entities": [e for state in states[:_MAX_ENTITIES] if (e := _entity(state, entities, devices)) is not None],
        }

    def act(self, act: Act) -> None:
        """Do it, and wait until Home Assistant says it is done."""
        domain, service, data = service_call(act)
        self._ask("call_service", domain=domain, service=service, service_data=data, target={"entity_id": act.entity})

    def close(self) -> None:
        self._socket.close()

    def _ask(self, kind: str, **fields: Any) -> Any:
        self._number += 1
        try:
            self._socket.send(json.dumps({"id": self._number, "type": kind, **fields}).encode())
            while (answer := self._message()).get("id") != self._number or answer.get("type") != "result":
                continue
        except (OSError, WebSocketError) as error:
            raise Unreachable(f"Home Assistant: {error or 'it does not answer in time'}") from error
        if not answer.get("success"):
            problem = answer.get("error")
            words = str(problem.get("message", "")) if isinstance(problem, dict) else ""
            raise Refused(f"Home Assistant refused {kind}: {words[:200]}")
        return answer.get("result") or []

    def _receive(self, wanted: str) -> dict[str, Any]:
        answer = self._message()
        if answer.get("type") == "auth_invalid":
            raise Unreachable("Home Assistant does not accept the token; make a new one in your profile there")
        if answer.get("type") != wanted:
            raise Unreachable("what answers there is not Home Assistant")
        return answer

    def _message(self) -> dict[str, Any]:
        try:
            answer = json.loads(self._socket.receive())
        except (ValueError, RecursionError) as error:
            raise WebSocketError("it sends something that is no JSON") from error
        if not isinstance(answer, dict):
            raise WebSocketError("it sends something that is no message")
        return answer


def certificate(address: str, port: int, tls: Tls) -> str:
    """The fingerprint of the certificate there, in hex. Raises Unreachable."""
    connection = _connection(address)
    try:
        connection.connect((address, port))
        return tls.shown(connection)
    except OSError as error:
        raise Unreachable(f"{_host(address, port)}: {_reason(error)}") from error
    finally:
        connection.close()


def _connection(address: str) -> socket.socket:
    connection = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    connection.settimeout(_TIMEOUT_S)
    return connection


def _host(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _reason(error: Exception) -> str:
    if "WRONG_VERSION_NUMBER" in str(error):
        return "it does not speak https; try without https://"
    return getattr(error, "strerror", None) or str(error) or "it does not answer in time"


def _named(row: dict[str, Any], key: str) -> dict[str, Any]:
    aliases = [str(a) for a in row.get("aliases") or ()]
    return {"id": str(row.get(key) or ""), "name": str(row.get("name") or ""), "aliases": aliases}


def _entity(
    state: dict[str, Any], entities: dict[str, dict[str, Any]], devices: dict[str, dict[str, Any]]
) -> dict[str, Any] | None:
    entity_id = str(state.get("entity_id") or "")
    if entity_id.partition(".")[0] not in _DOMAINS:
        return None
    registered = entities.get(entity_id, {})
    if registered.get("hidden_by") or registered.get("disabled_by"):
        return None
    attributes = state.get("attributes") or {}
    device = devices.get(registered.get("device_id") or "", {})
    return {
        "id": entity_id,
        "name": str(attributes.get("friendly_name") or entity_id),
        "area": registered.get("area_id") or device.get("area_id") or "",
        "state": str(state.get("state") or ""),
        "attributes": {k: v for k, v in attributes.items() if k in _ATTRIBUTES and v is not None},
    }
