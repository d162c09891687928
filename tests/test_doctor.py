"""`assistant doctor` as users run it: one document, aligned text, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from assistant.engines.machine import this_machine
from assistant.privacy import sandbox
from test_build import keep_quiet_probe, spec_of


def doctor(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLORTERM")} | environment
    command = [sys.executable, "-m", "assistant", "doctor", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=200, check=False, encoding="utf-8")


def document(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    (line,) = done.stdout.splitlines()
    parsed = json.loads(line)
    assert isinstance(parsed, dict)
    return parsed


def test_empty_home_is_a_fault_that_says_what_to_do(assistant_home: Path) -> None:
    done = doctor("--json")
    assert done.returncode == 1
    found = document(done)
    assert not found["ok"]
    assert {
        "what": "no language model is installed",
        "do": "run `assistant models pull smollm2-135m` (98 MB)",
    } in found["faults"]
    assert found["models"] == []
    assert found["automatic"] is None
    assert found["hardware"]["cores"] == this_machine().n_cores
    assert found["backend"]["compiled"][0] == "CPU"
    assert found["history"] == "none yet"
    assert sorted(p.name for p in assistant_home.iterdir()) in ([], ["models"])  # a look leaves nothing behind


@pytest.mark.models
def test_whole_report_on_a_real_model(home_with_model: Path) -> None:
    keep_quiet_probe(spec_of(home_with_model))
    done = doctor("--json", LC_ALL="C.UTF-8", TERM="xterm-256color")
    found = document(done)
    (model,) = found["models"]
    assert model["verified"]
    assert model["file_name"] == "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert model["measured"]["decode_tps"] == 90.0
    assert model["probe"]["rows"]
    assert model["memory_needed_bytes"] > model["size_bytes"]
    assert any("layers offloaded" in reason for reason in model["plan_reasons"])
    assert found["automatic"]["name"] == "smollm2-135m"
    assert found["terminal"] == {
        "interactive": False, "encoding": "utf-8", "utf8": True, "colours": "256", "columns": 80, "rows": 24,
    } | {k: found["terminal"][k] for k in ("columns", "rows")}  # fmt: skip
    assert found["faults"] == []
    assert done.returncode == 0
    assert done.stderr == ""


@pytest.mark.models
def test_text_is_aligned_and_ends_with_the_verdict(home_with_model: Path) -> None:
    keep_quiet_probe(spec_of(home_with_model))
    done = doctor(LC_ALL="C.UTF-8")
    lines = done.stdout.splitlines()
    assert lines[-1] == "All good."
    labelled = [line for line in lines if line.startswith("  ") and line.strip()]
    assert all(len(line) > 16 and line[15] == " " and line[16] != "" for line in labelled)
    for label in (
        "CPU",
        "Memory",
        "Home",
        "Features",
        "Plan",
        "Measured",
        "Bandwidth",
        "Probe",
        "Network lock",
        "Screen",
    ):
        assert any(line.startswith(f"  {label} ") for line in lines), label


@pytest.mark.models
def test_damaged_model_is_reported_with_its_repair(home_with_model: Path) -> None:
    keep_quiet_probe(spec_of(home_with_model))
    blob = spec_of(home_with_model).path
    content = bytearray(blob.read_bytes())
    content[-1] ^= 1
    blob.unlink()
    blob.write_bytes(content)
    done = doctor("--json")
    found = document(done)
    assert done.returncode == 1
    assert [m["verified"] for m in found["models"]] == [False]
    assert any("assistant models pull smollm2-135m" in fault["do"] for fault in found["faults"])


def test_open_home_and_wrong_settings_are_reported(assistant_home: Path) -> None:
    assistant_home.chmod(0o755)
    (assistant_home / "settings.toml").write_text("modle = 'x'\n")
    found = document(doctor("--json"))
    whats = [fault["what"] for fault in found["faults"]]
    assert any("can be read by others" in what for what in whats)
    assert any("unknown setting 'modle'" in what for what in whats)
    assert found["home"]["private"] is False


def test_terminal_without_utf8_is_a_fault(assistant_home: Path) -> None:
    done = doctor("--json", PYTHONIOENCODING="ascii", PYTHONUTF8="0", TERM="dumb")
    found = document(done)
    assert found["terminal"]["utf8"] is False
    assert found["terminal"]["colours"] == "none"
    assert any("LANG=C.UTF-8" in fault["do"] for fault in found["faults"])


@pytest.mark.skipif(not sandbox.status().supported, reason="no kernel lock on this system")
def test_network_shows_every_thread_as_the_kernel_reports_it(assistant_home: Path) -> None:
    done = doctor("network", "--json")
    found = document(done)
    assert done.returncode == 0
    assert found["locked"]
    assert found["threads"]
    assert all(thread["seccomp"] == 2 and thread["filters"] >= 1 for thread in found["threads"])
    assert found["environment"]["ORT_DISABLE_TELEMETRY"] == "1"
    text = doctor("network").stdout
    assert "Network lock  locked" in text
    assert "seccomp mode 2 (filtered), 1 filter of ours" in text


def test_help_loads_no_engine(assistant_home: Path) -> None:
    heavy = "[m for m in sys.modules if m.split('.')[0] in ('numpy', 'llama_cpp', 'textual')]"
    code = f"import sys; from assistant.cli import parser; parser(); print({heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
