"""Key slots: what opens the history, what does not, and what damage to their file leads to."""

from __future__ import annotations

import json
import random
import stat
from pathlib import Path

import keyring
import keyring.backend
import keyring.backends.fail
import keyring.backends.null
import keyring.errors
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.errors import HistoryDamaged, HistoryLocked, UsageError
from assistant.privacy import desktop_keyring, recovery_code, slots
from assistant.privacy.keys import ATTEMPTS, KeySlots

PASSPHRASE = "correct horse battery"


@pytest.fixture(autouse=True)
def quick_argon2(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousandth of the memory, for all tests but the one that looks at it."""
    if request.node.name != test_a_passphrase_costs_what_it_should.__name__:
        monkeypatch.setattr(slots, "ARGON2_MEMORY_KIB", 64)


def test_a_passphrase_costs_what_it_should(folder: Path) -> None:
    made, key, _ = KeySlots.fresh(folder, PASSPHRASE)
    made.write()
    (slot,) = slots.read(slots.paths(folder)[0]).slots
    assert (slot.kind, slot.iterations, slot.memory_kib, slot.lanes) == ("passphrase", 3, 64 * 1024, 4)
    assert made.opens_with(PASSPHRASE) == key


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder on a machine without a desktop: the key file is the default."""
    monkeypatch.setattr(keyring.core, "_keyring_backend", keyring.backends.fail.Keyring())
    return tmp_path / "keys"


@pytest.fixture
def made(folder: Path) -> tuple[KeySlots, bytes]:
    made, key, _ = KeySlots.fresh(folder)
    made.write()
    return made, key


class Typist:
    """Types the given answers, one a question, and remembers the questions and the waits between them."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.questions: list[str] = []
        self.delays_s: list[float] = []

    def __call__(self, question: str) -> str:
        self.questions.append(question)
        return self.answers.pop(0) if self.answers else ""


def test_a_key_file_opens_unasked_and_says_what_it_protects(made: tuple[KeySlots, bytes], folder: Path) -> None:
    loaded = KeySlots.load(folder)
    assert loaded.unlock(None) == made[1]
    assert loaded.protection.mode == "key file only"
    assert loaded.protection.statement == (
        "key file only: protects backups and lost copies of the database, not this account"
    )


def test_files_are_private_and_hold_no_key(made: tuple[KeySlots, bytes], folder: Path) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in slots.paths(folder):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert made[1].hex() not in path.read_text()


def test_a_passphrase_replaces_the_key_file(made: tuple[KeySlots, bytes], folder: Path) -> None:
    made[0].set_passphrase(made[1], PASSPHRASE)
    loaded = KeySlots.load(folder)
    assert loaded.protection.mode == "passphrase"
    assert loaded.unlock(Typist(PASSPHRASE)) == made[1]
    for path in slots.paths(folder):
        assert all(not slot["secret"] for slot in json.loads(path.read_text())["slots"])
    with pytest.raises(HistoryLocked):
        loaded.unlock(None)


def test_a_changed_passphrase_ends_the_old_one(made: tuple[KeySlots, bytes], folder: Path) -> None:
    made[0].set_passphrase(made[1], PASSPHRASE)
    KeySlots.load(folder).set_passphrase(made[1], "another long one")
    loaded = KeySlots.load(folder)
    assert loaded.opens_with(PASSPHRASE) is None
    assert loaded.opens_with("another long one") == made[1]


def test_removing_the_passphrase_returns_to_the_key_file(made: tuple[KeySlots, bytes], folder: Path) -> None:
    made[0].set_passphrase(made[1], PASSPHRASE)
    made[0].remove_passphrase(made[1], to_keyring=False)
    assert KeySlots.load(folder).unlock(None) == made[1]
    with pytest.raises(UsageError, match="keyring"):
        made[0].remove_passphrase(made[1], to_keyring=True)


@pytest.mark.parametrize("typed", ["", "short", "1234567"])
def test_short_passphrases_are_refused_and_nothing_changes(
    made: tuple[KeySlots, bytes], folder: Path, typed: str
) -> None:
    with pytest.raises(UsageError, match="8 characters"):
        made[0].set_passphrase(made[1], typed)
    assert KeySlots.load(folder).unlock(None) == made[1]


def test_composed_and_decomposed_accents_are_the_same_passphrase(made: tuple[KeySlots, bytes], folder: Path) -> None:
    made[0].set_passphrase(made[1], "caf\u00e9 au lait")
    assert KeySlots.load(folder).opens_with("cafe\u0301 au lait") == made[1]


def test_wrong_passphrases_wait_longer_each_time_and_wipe_nothing(made: tuple[KeySlots, bytes], folder: Path) -> None:
    made[0].set_passphrase(made[1], PASSPHRASE)
    before = {path: path.read_bytes() for path in slots.paths(folder)}
    for _ in range(2):
        typist = Typist(*[f"wrong guess {n}" for n in range(10)])
        with pytest.raises(HistoryLocked, match="nothing was changed"):
            KeySlots.load(folder).unlock(typist, sleep=typist.delays_s.append)
        assert len(typist.questions) == ATTEMPTS
        assert typist.delays_s == [1.0, 2.0, 4.0, 8.0]
    assert {path: path.read_bytes() for path in slots.paths(folder)} == before
    assert KeySlots.load(folder).unlock(Typist("wrong again", PASSPHRASE), sleep=lambda _: None) == made[1]


def test_giving_up_asks_no_more(made: tuple[KeySlots, bytes], folder: Path) -> None:
    made[0].set_passphrase(made[1], PASSPHRASE)
    typist = Typist("")
    with pytest.raises(HistoryLocked):
        KeySlots.load(folder).unlock(typist)
    assert len(typist.questions) == 1


def test_a_recovery_code_opens_beside_the_passphrase(made: tuple[KeySlots, bytes], folder: Path) -> None:
    made[0].set_passphrase(made[1], PASSPHRASE)
    code = made[0].new_recovery_code(made[1])
    loaded = KeySlots.load(folder)
    assert "recovery code" in loaded.protection.statement
    assert loaded.opens_with(code) == loaded.opens_with(PASSPHRASE) == made[1]
    assert loaded.opens_with(f" {code.lower().replace('-', ' ')} ") == made[1]
    newer = loaded.new_recovery_code(made[1])
    assert KeySlots.load(folder).opens_with(code) is None
    assert KeySlots.load(folder).opens_with(newer) == made[1]


@given(st.binary(min_size=16, max_size=16), st.integers(0, 27), st.sampled_from("0123456789ABCDEFGHJKMNPQRSTVWXYZ"))
def test_recovery_codes_survive_handwriting_and_notice_slips(secret: bytes, at: int, other: str) -> None:
    code = recovery_code.to_text(secret)
    assert recovery_code.from_text(code.replace("0", "O").replace("1", "l")) == secret
    compact = code.replace("-", "")
    slipped = compact[:at] + other + compact[at + 1 :]
    assert recovery_code.from_text(slipped) != secret or slipped == compact
    assert recovery_code.from_text(compact[:-1]) is None


@settings(max_examples=50)
@given(st.text())
def test_no_text_is_mistaken_for_a_recovery_code(text: str) -> None:
    parsed = recovery_code.from_text(text)
    assert parsed is None or recovery_code.from_text(recovery_code.to_text(parsed)) == parsed


# -- damage ------------------------------------------------------------------------------------------------------------


def test_a_damaged_file_is_replaced_by_its_copy(made: tuple[KeySlots, bytes], folder: Path) -> None:
    first, copy = slots.paths(folder)
    for broken, whole in ((first, copy), (copy, first)):
        for content in (b"", b"{", whole.read_bytes()[:100], b"\xff" * 300, b"[" * 70_000):
            broken.write_bytes(content)
            loaded = KeySlots.load(folder)
            assert loaded.unlock(None) == made[1]
            loaded.mend()
            assert slots.read(broken) == slots.read(whole)


def test_every_flipped_byte_of_both_files_is_damage_not_a_wrong_passphrase(
    made: tuple[KeySlots, bytes], folder: Path
) -> None:
    made[0].set_passphrase(made[1], PASSPHRASE)
    whole = slots.paths(folder)[0].read_bytes()
    for at in random.Random(3).sample(range(len(whole)), 200):
        flipped = bytearray(whole)
        flipped[at] ^= 1 << (at % 7)
        for path in slots.paths(folder):
            path.write_bytes(flipped)
        try:
            loaded = KeySlots.load(folder)
        except HistoryDamaged as error:
            assert "backup" in str(error)
        else:  # white space between the fields: nothing was changed
            assert json.loads(flipped) == json.loads(whole)
            assert loaded.has_passphrase


def test_the_newer_of_two_whole_files_counts(made: tuple[KeySlots, bytes], folder: Path) -> None:
    """A crash between the two writes leaves the copy one generation behind."""
    first, copy = slots.paths(folder)
    old = copy.read_bytes()
    made[0].set_passphrase(made[1], PASSPHRASE)
    copy.write_bytes(old)
    loaded = KeySlots.load(folder)
    assert loaded.protection.mode == "passphrase"
    loaded.mend()
    assert slots.read(first) == slots.read(copy)
    assert not any(slot.secret for slot in slots.read(copy).slots)


def test_a_slot_cannot_be_tampered_with(made: tuple[KeySlots, bytes], folder: Path) -> None:
    """Somebody who writes the file and its checksum anew still meets the authentication of the slot."""
    made[0].set_passphrase(made[1], PASSPHRASE)
    content = slots.read(slots.paths(folder)[0])
    slot = content.slots[0]
    assert slots.unwrap(slot, PASSPHRASE.encode(), content.store_id, content.verifier) == made[1]
    for change in ({"id": "00" * 8}, {"kind": "recovery"}, {"iterations": 1}, {"lanes": 1}, {"salt": "00" * 16}):
        tampered = slots.msgspec.structs.replace(slot, **change)
        assert slots.unwrap(tampered, PASSPHRASE.encode(), content.store_id, content.verifier) is None
    assert slots.unwrap(slot, PASSPHRASE.encode(), "00" * 16, content.verifier) is None
    assert slots.unwrap(slot, PASSPHRASE.encode(), content.store_id, "00" * 32) is None


def test_absurd_costs_are_refused_before_they_are_paid(made: tuple[KeySlots, bytes], folder: Path) -> None:
    made[0].set_passphrase(made[1], PASSPHRASE)
    content = slots.read(slots.paths(folder)[0])
    hungry = slots.msgspec.structs.replace(content.slots[0], memory_kib=2**31)
    for path in slots.paths(folder):
        path.write_bytes(slots.encode(slots.msgspec.structs.replace(content, slots=(hungry,))))
    with pytest.raises(HistoryDamaged, match="out of range"):
        KeySlots.load(folder)


def test_a_newer_format_is_named_as_such(made: tuple[KeySlots, bytes], folder: Path) -> None:
    content = slots.read(slots.paths(folder)[0])
    for path in slots.paths(folder):
        path.write_bytes(slots.encode(slots.msgspec.structs.replace(content, version=99)))
    with pytest.raises(HistoryDamaged, match="newer version"):
        KeySlots.load(folder)


# -- the desktop's keyring ---------------------------------------------------------------------------------------------


def test_without_a_desktop_there_is_no_keyring(folder: Path) -> None:
    assert not desktop_keyring.usable()
    assert not desktop_keyring.keep("account", b"secret")
    assert desktop_keyring.read("account") is None
    desktop_keyring.forget("account")


def test_a_plain_text_keyring_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package also finds stores that write plain files; those are worse than our own key file."""
    monkeypatch.setattr(keyring.core, "_keyring_backend", keyring.backends.null.Keyring())
    assert not desktop_keyring.usable()


class Desktop(keyring.backend.KeyringBackend):
    """A desktop's secret store in memory: none runs where tests run."""

    priority = 5

    def __init__(self) -> None:
        super().__init__()
        self.secrets: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.secrets.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.secrets[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if self.secrets.pop((service, username), None) is None:
            raise keyring.errors.PasswordDeleteError("no such password")


Desktop.__module__ = "keyring.backends.SecretService"
keyring.backend.KeyringBackend._classes.discard(Desktop)  # nobody else's tests are to find it


@pytest.fixture
def desktop(monkeypatch: pytest.MonkeyPatch) -> Desktop:
    store = Desktop()
    monkeypatch.setattr(keyring.core, "_keyring_backend", store)
    return store


def test_on_a_desktop_the_keyring_is_the_default(desktop: Desktop, tmp_path: Path) -> None:
    made, key, _ = KeySlots.fresh(tmp_path)
    made.write()
    loaded = KeySlots.load(tmp_path)
    assert loaded.protection.mode == "OS keyring"
    assert loaded.unlock(None) == key
    assert not any(slot.secret for slot in slots.read(slots.paths(tmp_path)[0]).slots)
    desktop.secrets.clear()
    with pytest.raises(HistoryLocked):
        loaded.unlock(None)


def test_a_passphrase_or_a_wipe_takes_the_secret_out_of_the_keyring(desktop: Desktop, tmp_path: Path) -> None:
    made, key, _ = KeySlots.fresh(tmp_path)
    made.write()
    made.set_passphrase(key, PASSPHRASE)
    assert not desktop.secrets
    made.remove_passphrase(key, to_keyring=True)
    assert KeySlots.load(tmp_path).unlock(None) == key
    made.destroy()
    assert not desktop.secrets
    assert not KeySlots.exist(tmp_path)


def test_a_keyring_with_somebody_elses_value_is_as_good_as_none(desktop: Desktop, tmp_path: Path) -> None:
    made, _, code = KeySlots.fresh(tmp_path, with_recovery=True)
    for account in list(desktop.secrets):
        desktop.secrets[account] = "not hexadecimal"
    assert made.unlock(Typist(code)) is not None


def test_a_key_whose_keyring_is_gone_opens_with_the_recovery_code(folder: Path) -> None:
    """As after a reinstalled desktop: the slot is there, its secret is not."""
    made, key, code = KeySlots.fresh(folder, with_recovery=True)
    content = made._content
    in_keyring = slots.wrap(key, slots.KEYRING, b"a secret nobody has any more....", content.store_id)
    made._put(in_keyring, *made._of_kind(slots.RECOVERY))
    made.write()
    loaded = KeySlots.load(folder)
    assert loaded.protection.mode == "OS keyring"
    typist = Typist(code)
    assert loaded.unlock(typist) == key
    assert "recovery code" in typist.questions[0]
    made._put(in_keyring)
    made.write()
    with pytest.raises(HistoryLocked, match="desktop"):
        KeySlots.load(folder).unlock(Typist("anything"))
