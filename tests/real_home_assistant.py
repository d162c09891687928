"""Make a real Home Assistant from the package index and test the gateway against it. Not part of the test suite.

    python tests/real_home_assistant.py FOLDER        minutes, 700 MB; run again to reuse FOLDER

The newest release that runs on Python 3.11 is 2024.3.3. It is started with the `demo` integration on 127.0.0.1, a user
and a token are made through its own onboarding, and test_gateway_real.py is run with REAL_HOME_ASSISTANT set.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.parse
import urllib.request
import venv
from pathlib import Path
from typing import Any

VERSION = "2024.3.3"
PORT = 8177
# what its integrations would install at run time
NEEDED = (
    "pillow janus psutil-home-assistant hassil home-assistant-intents securetar josepy<2 mutagen PyTurboJPEG ha-ffmpeg "
    "home-assistant-frontend sqlalchemy fnv-hash-fast setuptools<80"
)
CONFIGURATION = f"""
homeassistant: {{name: Test home, latitude: 52.5, longitude: 13.4, elevation: 30, unit_system: metric,
  time_zone: Europe/Berlin}}
http: {{server_host: 127.0.0.1, server_port: {PORT}}}
api:
websocket_api:
config:
demo:
"""
BASE = f"http://127.0.0.1:{PORT}"


def main() -> int:
    folder = Path(sys.argv[1]).absolute()
    python = folder / "venv" / "bin" / "python"
    if not python.exists():
        venv.create(folder / "venv", with_pip=True)
        constraints = folder / "venv/lib/python3.11/site-packages/homeassistant/package_constraints.txt"
        subprocess.run([python, "-m", "pip", "install", "-q", f"homeassistant=={VERSION}"], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "-c", constraints, *NEEDED.split()], check=True)
    config = folder / "config"
    config.mkdir(exist_ok=True)
    (config / "configuration.yaml").write_text(CONFIGURATION)
    with (folder / "hass.log").open("w") as log:
        hass = subprocess.Popen([python, "-m", "homeassistant", "-c", config, "--skip-pip"], stdout=log, stderr=log)
    try:
        token = token_of(config)
        environment = {**os.environ, "REAL_HOME_ASSISTANT": f"127.0.0.1 {PORT} {token}"}
        tests = Path(__file__).with_name("test_gateway_real.py")
        return subprocess.run([sys.executable, "-m", "pytest", "-q", "-rA", tests], env=environment).returncode
    finally:
        hass.terminate()
        hass.wait(60)


def token_of(config: Path) -> str:
    """Make the first user, or log in as it: the access token."""
    kept = config / "refresh_token"
    wait()
    if kept.exists():
        answer = post("/auth/token", {"grant_type": "refresh_token", "refresh_token": kept.read_text()}, form=True)
        return str(answer["access_token"])
    user = {"client_id": f"{BASE}/", "name": "T", "username": "t", "password": "only-a-test", "language": "en"}
    code = post("/api/onboarding/users", user)["auth_code"]
    answer = post("/auth/token", {"grant_type": "authorization_code", "code": code}, form=True)
    kept.write_text(answer["refresh_token"])
    return str(answer["access_token"])


def wait() -> None:
    end_s = time.monotonic() + 300
    while time.monotonic() < end_s:
        try:
            urllib.request.urlopen(f"{BASE}/manifest.json", timeout=10).close()
        except OSError:
            time.sleep(1)
        else:
            return
    raise SystemExit("Home Assistant did not start; see hass.log")


def post(path: str, fields: dict[str, str], form: bool = False) -> dict[str, Any]:
    fields = {"client_id": f"{BASE}/", **fields}
    body = urllib.parse.urlencode(fields).encode() if form else json.dumps(fields).encode()
    kind = "application/x-www-form-urlencoded" if form else "application/json"
    request = urllib.request.Request(BASE + path, body, {"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return dict(json.load(answer))


if __name__ == "__main__":
    sys.exit(main())
