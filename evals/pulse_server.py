"""A real PulseAudio server of our own, with null sinks as microphone and speaker.

What is played into the sink `voice_in` is heard by the microphone `mic`; what the product plays into the sink
`speaker` can be recorded from its monitor; `couple()` lets the microphone hear the speaker, as in a room.
`add_hall()` makes the two sinks channels of one, which can be recorded with one clock for both.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

MISSING = "" if shutil.which("pulseaudio") and shutil.which("pactl") and shutil.which("parec") else "no pulseaudio here"


class PulseServer:
    speaker = voice_in = mic = 0  # modules, set by who loads them

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            "XDG_RUNTIME_DIR": str(folder),
            "PULSE_RUNTIME_PATH": str(folder / "pulse"),
            "PULSE_SERVER": f"unix:{folder}/native",
            "PULSE_COOKIE": str(folder / "cookie"),
            "HOME": str(folder),
        }
        (folder / "pulse").mkdir(mode=0o700)
        modules = [f"module-native-protocol-unix socket={folder}/native auth-anonymous=1"]
        command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--realtime=no"]
        command += [part for module in modules for part in ("-L", module)]
        self._log = (folder / "log").open("w")
        self._process = subprocess.Popen(command, env=self._env(), stdout=self._log, stderr=self._log)
        for _ in range(100):
            if self._run("pactl", "info", check=False).returncode == 0:
                return
            time.sleep(0.1)
        self.stop()
        raise RuntimeError(f"pulseaudio did not start: {(folder / 'log').read_text()[-500:]}")

    def _env(self) -> dict[str, str]:
        return {**os.environ, **self.environment}

    def _run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=self._env(), check=check, capture_output=True, text=True, timeout=20)

    def load(self, *module: str) -> int:
        return int(self._run("pactl", "load-module", *module).stdout)

    def unload(self, module: int) -> None:
        self._run("pactl", "unload-module", str(module))

    def suspend(self, sink: str) -> None:
        """As when another program has taken the sound card: what is played goes nowhere."""
        self._run("pactl", "suspend-sink", sink, "1")

    def set_default(self, kind: str, name: str) -> None:
        self._run("pactl", f"set-default-{kind}", name)

    def add_sink(self, name: str) -> int:
        # without norewinds an idle null sink sleeps for two seconds at a time, which no sound card does
        return self.load(
            "module-null-sink", f"sink_name={name}", "norewinds=1", f"sink_properties=device.description={name}"
        )

    def add_microphone(self, name: str, sink: str) -> int:
        return self.load(
            "module-remap-source",
            f"master={sink}.monitor",
            f"source_name={name}",
            f"source_properties=device.description={name}",
        )

    def add_hall(self) -> None:
        """A sink `hall` whose left channel is the sink `speaker` and whose right one is `voice_in`, heard by `mic`."""
        self.load("module-null-sink", "sink_name=hall", "norewinds=1", "rate=48000", "channels=2")
        for name, side in (("speaker", "left"), ("voice_in", "right")):
            self.load(
                "module-remap-sink", f"sink_name={name}", "master=hall", "remix=no", "channels=1", "channel_map=mono",
                f"master_channel_map=front-{side}", f"sink_properties=device.description={name}",
            )  # fmt: skip
        self.load(
            "module-remap-source", "source_name=mic", "master=hall.monitor", "remix=no", "channels=1",
            "channel_map=mono", "master_channel_map=front-right", "source_properties=device.description=mic",
        )  # fmt: skip

    def couple(self, speaker: str, voice_in: str, gain_db: float, latency_ms: int = 40) -> int:
        """The microphone hears the speaker, that much quieter."""
        module = self.load(
            "module-loopback", f"source={speaker}.monitor", f"sink={voice_in}", f"latency_msec={latency_ms}"
        )
        self._run("pactl", "set-sink-input-volume", self._last_input(), f"{gain_db}dB")
        return module

    def _last_input(self) -> str:
        lines = self._run("pactl", "list", "short", "sink-inputs").stdout.splitlines()
        return lines[-1].split()[0]

    def say(self, sink: str, pcm: np.ndarray, rate_hz: int) -> subprocess.Popen[bytes]:
        """Play 16-bit samples into a sink, in the background."""
        path = self.folder / f"say-{time.monotonic_ns()}.raw"
        path.write_bytes(pcm.astype(np.int16).tobytes())
        command = ["pacat", "--playback", f"--device={sink}", f"--rate={rate_hz}", "--channels=1", "--format=s16le"]
        # a buffer of 100 ms, so that a busy machine does not tear holes into the speech
        return subprocess.Popen([*command, "--latency-msec=100", str(path)], env=self._env(), stderr=self._log)

    def record_into(self, path: Path, sink: str, rate_hz: int, n_channels: int) -> subprocess.Popen[bytes]:
        """Record what is played into a sink as 16-bit samples in a file, until the process is ended."""
        command = ["parec", f"--device={sink}.monitor", f"--rate={rate_hz}", f"--channels={n_channels}"]
        command += ["--format=s16le", "--latency-msec=50", str(path)]
        return subprocess.Popen(command, env=self._env(), stderr=self._log)

    def record(self, sink: str, rate_hz: int) -> subprocess.Popen[bytes]:
        """Record what is played into a sink; read its standard output."""
        command = ["parec", f"--device={sink}.monitor", f"--rate={rate_hz}", "--channels=1", "--format=s16le"]
        return subprocess.Popen([*command, "--latency-msec=20"], env=self._env(), stdout=subprocess.PIPE)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=10)
        self._log.close()


@contextmanager
def pulse_server(folder: Path) -> Iterator[PulseServer]:
    server = PulseServer(folder)
    try:
        yield server
    finally:
        server.stop()
