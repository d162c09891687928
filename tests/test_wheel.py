"""The built wheel, in an environment of its own, has all that is not Python: catalogue, styles, recipes, sentences."""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DATA = [
    "assistant/models/catalogue.toml",
    "assistant/tui/app.tcss",
    "assistant/home/simulated.yaml",
    "quantize/recipes/smollm2-135m-q4_0-qad.toml",
    "assistant/models/adapters/smollm2-135m-tools.gguf",
    "assistant/models/adapters/qwen2.5-0.5b-tools.gguf",
    "quantize/data/requests/home_en.toml",
]


@pytest.fixture(scope="module")
def uv() -> str:
    found = os.environ.get("UV") or shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
    if not Path(found).exists():
        pytest.skip("uv is not here; `make test` brings it")
    return found


def test_the_wheel_is_complete(uv: str, tmp_path: Path) -> None:
    subprocess.run([uv, "build", "--quiet", "--wheel", "--out-dir", str(tmp_path), str(ROOT)], check=True)
    (wheel,) = tmp_path.glob("homebody-*.whl")
    subprocess.run([uv, "venv", "--quiet", str(tmp_path / "empty")], check=True)
    python = tmp_path / "empty" / "bin" / "python"
    subprocess.run([uv, "pip", "install", "--quiet", "--no-deps", "--python", str(python), str(wheel)], check=True)
    code = f"""
import importlib.resources, pathlib
for name in {DATA!r}:
    package, _, rest = name.partition("/")
    found = importlib.resources.files(package) / rest
    assert found.is_file() and found.read_bytes(), name
    assert pathlib.Path(str(found)).is_relative_to({str(tmp_path)!r}), found
from assistant import first_run
assert first_run._catalogue()["smollm2-135m"]["files"]
"""
    subprocess.run([str(python), "-I", "-c", code], check=True, cwd=tmp_path)
    assert {p.name for p in (tmp_path / "empty" / "bin").iterdir()} >= {"assistant", "quantize", "evals"}
    packed = zipfile.ZipFile(wheel).namelist()
    assert [n for n in packed if n.startswith("tests/") or "eval-data" in n] == []
    tracked = subprocess.run(
        ["git", "ls-files", "assistant", "quantize", "evals"], cwd=ROOT, capture_output=True, text=True
    )
    missing = set(tracked.stdout.split()) - set(packed)
    assert not missing
