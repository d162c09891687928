"""Scoring a model's way to a tool on people's requests: what counts as right, as acting, as the value asked for."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from assistant.errors import UsageError
from assistant.home.model import Home
from assistant.models.spec import ModelSpec
from assistant.tools.calls import Call
from assistant.tools.registry import registry
from evals import tools_requests
from evals.tools_model import with_adapter


class Scripted:
    """Answers each text with the call it is given for it."""

    def __init__(self, calls: dict[str, Call]) -> None:
        self.calls = calls

    def pick(self, text: str, home: Home, now: datetime) -> Any:
        return self.calls.get(text)


def write(folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps(row) for row in rows))


def test_served_requests_need_their_tool_and_others_need_none(tmp_path: Path) -> None:
    write(tmp_path, "intents/slurp.jsonl", [
        {"text": "be up at six", "intent": "alarm_set"}, {"text": "lights off", "intent": "iot_hue_lightoff"},
        {"text": "mail bob", "intent": "email_sendemail"}, {"text": "the news", "intent": "qa_factoid"},
        {"text": "who sings", "intent": "music_query"},
    ])  # fmt: skip
    chooser = Scripted({"be up at six": Call("alarm.set"), "lights off": Call("home.turn_on"),
                        "mail bob": Call("list.add"), "the news": Call("system.needs_network"),
                        "who sings": Call("list.add")})  # fmt: skip
    served, others = tools_requests.slurp(tmp_path, chooser, 100, 1)
    assert sorted(served.intent) == [0.0, 1.0] and sorted(others.right) == [0.0, 1.0]
    assert {tool for tools in tools_requests.SERVED.values() for tool in tools.split()} <= {t.name for t in registry()}


def test_a_quantity_must_arrive_with_its_value(tmp_path: Path) -> None:
    write(tmp_path, "quantities/quantities_en.jsonl", [
        {"kind": "duckling-duration", "text": "90 seconds", "value": "DurationData 90 Second"},
        {"kind": "duckling-temperature", "text": "21 °C", "value": "simple Celsius 21"},
        {"kind": "duration", "text": "x", "results": [{"Text": "2 hours", "Value": {
            "FutureResolution": {"duration": "7200"}}}]},
        {"kind": "number", "text": "five", "results": []},
    ])  # fmt: skip
    chooser = Scripted({"set a timer for 90 seconds": Call("timer.start", {"minutes": 1, "seconds": 30}),
                        "set the heating to 21 °C": Call("home.temperature", {"temperature": 21.0}),
                        "set a timer for 2 hours": Call("timer.start", {"hours": 3})})  # fmt: skip
    assert sorted(tools_requests.quantities(tmp_path, chooser, 100, 1).right) == [0.0, 1.0, 1.0]


def test_the_adapter_can_be_switched_off_or_replaced(tmp_path: Path) -> None:
    file = tmp_path / "a.gguf"
    file.write_bytes(b"x")
    spec = ModelSpec("m", "m.gguf", tmp_path, "0" * 64, 1, "chatml", 512, "llama", adapter=file)
    assert with_adapter(spec, "on") is spec
    assert with_adapter(spec, "off").adapter is None
    assert with_adapter(with_adapter(spec, "off"), str(file)).adapter == file
    with pytest.raises(UsageError, match="no adapter at"):
        with_adapter(spec, "nothing.gguf")
