"""Before the lock: if no language model is there, fetch one, in a process of its own. Standard library only.

The smallest model comes first (94 MB): it answers within a minute of the first command, and measuring it tells what
larger model this machine can run. That one is offered, never fetched unasked.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from assistant import paths
from assistant.errors import EXIT_OK, ModelMissingError

SMALLEST = "smollm2-135m"


def fetch_missing_model() -> None:
    """Make sure that the model the settings ask for is there, pulling it if not.

    Raises ModelMissingError when the pull fails: its own messages have said why.
    """
    wanted = _wanted_model()
    if wanted == "auto":
        if _any_language_model_installed():
            return
        _pull(SMALLEST)
        _offer_better_model()
    elif wanted in _catalogue() and not _installed(wanted):
        _pull(wanted)


def _wanted_model() -> str:
    try:
        return str(tomllib.loads(paths.settings_file().read_text()).get("model", "auto"))
    except (OSError, ValueError):  # none yet, or broken: config.load() will say so in words
        return "auto"


def _catalogue() -> dict[str, dict[str, Any]]:
    table = tomllib.loads((Path(__file__).parent / "models" / "catalogue.toml").read_text())
    return {str(entry["name"]): entry for entry in table["model"]}


def _installed(name: str) -> bool:
    blobs = paths.models_folder() / "blobs"
    return all((blobs / str(file["sha256"])).exists() for file in _catalogue()[name]["files"])


def _any_language_model_installed() -> bool:
    return (paths.models_folder() / "added.toml").exists() or any(
        entry["kind"] == "llm" and _installed(name) for name, entry in _catalogue().items()
    )


def _pull(name: str) -> None:
    print(f"No language model here yet: fetching {name}. Nothing else ever uses the network.", file=sys.stderr)
    if subprocess.run([sys.executable, "-m", "assistant", "models", "pull", name], check=False).returncode != EXIT_OK:
        raise ModelMissingError(
            f"{name} could not be fetched (see above). Run the same command again to resume, or carry the models over "
            "from another machine with `assistant models bundle` and `assistant models unbundle`"
        )


def _offer_better_model() -> None:
    """Ask whether to fetch the largest model that should run well here. Says nothing when nobody is there to answer."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    print("Measuring this machine …", file=sys.stderr)
    command = [sys.executable, "-m", "assistant", "models", "recommend", "--json"]
    answer = subprocess.run(command, check=False, capture_output=True, text=True)
    if answer.returncode != EXIT_OK:
        return  # an offer only; the chat works without it
    better = json.loads(answer.stdout)
    if not better["pull"]:
        return
    print(f"{better['reason']}\nFetch {better['pull']} ({better['size']}) now? [Y/n] ", end="", file=sys.stderr)
    if sys.stdin.readline().strip().lower() in ("", "y", "yes"):
        _pull(better["pull"])
