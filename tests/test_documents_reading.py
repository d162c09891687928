"""Documents through the real, locked parser process: what is found in them, and what hostile ones come to."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
import zipfile
from pathlib import Path

import pytest

import document_files as files
from assistant.documents.parsers import Passage
from assistant.documents.parsers.pdf import paragraphs
from assistant.documents.reading import read
from assistant.errors import DocumentError
from assistant.privacy import sandbox

LOCKED = pytest.mark.skipif(not sandbox.supported(), reason="the lock is for Linux on x86-64 and aarch64")


def passages(path: Path) -> list[Passage]:
    return read(path).passages


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def problem(path: Path) -> str:
    with pytest.raises(DocumentError) as caught:
        read(path)
    assert path.name in str(caught.value)
    return str(caught.value)


# -- formats -----------------------------------------------------------------------------------------------------------


def test_text_has_paragraphs_and_pages(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", "one\nline\n\ntwo\n\fthree")
    assert passages(path) == [Passage("one\nline", 1), Passage("two", 1), Passage("three", 2)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_text_of_usual_encodings(tmp_path: Path, encoding: str) -> None:
    path = written(tmp_path / "a.txt", "Das Café in Köln – täglich".encode(encoding))
    assert passages(path) == [Passage("Das Café in Köln – täglich")]


def test_markdown_knows_its_headings_and_leaves_code_alone(tmp_path: Path) -> None:
    path = written(tmp_path / "a.md", "# A\nx\n## B\ny\n```\n# no heading\n\nz\n```\n# C\nw\n")
    found = passages(path)
    assert [(p.heading, p.text) for p in found] == [
        ("A", "x"), ("A › B", "y\n```\n# no heading\n\nz\n```"), ("C", "w"),
    ]  # fmt: skip


def test_html_without_scripts_and_navigation(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a.html",
        "<html><head><title>t</title><style>p{}</style></head><body><nav>menu</nav><h1>A &amp; B</h1><p>one<b> two</b>"
        "<script>alert(1)</script></p><h2>C</h2><ul><li>x<li>y</ul><table><tr><td>k<td>v</table>",
    )
    assert [(p.heading, p.text) for p in passages(path)] == [
        ("A & B", "one two"), ("A & B › C", "x"), ("A & B › C", "y"), ("A & B › C", "k | v"),
    ]  # fmt: skip


def test_csv_rows_carry_their_columns(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", 'Name;Age\n"Meier; Anna";41\n')
    assert [(p.text, p.line) for p in passages(path)] == [("Name | Age", 1), ("Name: Meier; Anna; Age: 41", 2)]


def test_code_has_lines(tmp_path: Path) -> None:
    found = passages(written(tmp_path / "a.py", "x = 1\n" * 90))
    assert [p.line for p in found] == [1, 41, 81]


def test_word_in_any_language_of_styles(tmp_path: Path) -> None:
    found = passages(files.docx(tmp_path / "a.docx"))
    assert found == [
        Passage("Keep the pressure at 1.5 bar.", 1, "Boiler"),
        Passage("Valve | 12 EUR", 2, "Boiler › Costs"),
    ]


def test_slides_in_the_order_of_the_presentation(tmp_path: Path) -> None:
    found = passages(files.pptx(tmp_path / "a.pptx"))
    assert [(p.page, p.heading, p.text) for p in found] == [
        (1, "Welcome", "The plumbers meet at nine."), (2, "Goals", "Save water."),
    ]  # fmt: skip


def test_sheets_show_dates_as_dates(tmp_path: Path) -> None:
    found = passages(files.xlsx(tmp_path / "a.xlsx"))
    assert [p.text for p in found] == [
        "Item | Price | Bought", "Item: Valve; Price: 0.3; Bought: 2024-01-01", "Bought: only here",
    ]  # fmt: skip
    assert {p.heading for p in found} == {"Costs"}


def test_books_in_reading_order(tmp_path: Path) -> None:
    found = passages(files.epub(tmp_path / "a.epub"))
    assert [(p.heading, p.text) for p in found] == [
        ("First", "It was night."), ("Second", "It was day."), ("Second", "Then it rained."),
    ]  # fmt: skip


def test_pdf_pages_and_bookmarks(tmp_path: Path) -> None:
    path = files.pdf(tmp_path / "a.pdf", ["Keep it at 1.5 bar.", "", "Call a plumber."], {0: "Use", 2: "Help"})
    assert passages(path) == [Passage("Keep it at 1.5 bar.", 1, "Use"), Passage("Call a plumber.", 3, "Help")]


# -- what cannot be read says why --------------------------------------------------------------------------------------


def test_lines_of_a_pdf_are_joined_where_they_go_on() -> None:
    letter = (
        "Heating Oil Ltd.\nHarbour Road 7\n\nInvoice no. 2291\nDate: 3 March 2026\nTotal: 1,204.50 EUR\n\n"
        "We thank you for your order of the second of March and deliver as agreed, at the lat-\nest on Friday. Please "
        "pay within fourteen days of the date of this invoice, quoting its\nnumber.\nWith kind regards"
    )
    assert paragraphs(letter) == [
        "Heating Oil Ltd.\nHarbour Road 7",
        "Invoice no. 2291\nDate: 3 March 2026\nTotal: 1,204.50 EUR",
        "We thank you for your order of the second of March and deliver as agreed, at the latest on Friday. Please pay "
        "within fourteen days of the date of this invoice, quoting its number.\nWith kind regards",
    ]


def test_a_pdf_with_a_password(tmp_path: Path) -> None:
    import pypdf

    writer = pypdf.PdfWriter(clone_from=files.pdf(tmp_path / "plain.pdf", ["secret"]))
    writer.encrypt("swordfish", algorithm="AES-256")
    writer.write(tmp_path / "a.pdf")
    assert "protected by a password" in problem(tmp_path / "a.pdf")


def test_a_pdf_of_pictures(tmp_path: Path) -> None:
    assert "text recognition" in problem(files.pdf(tmp_path / "a.pdf", ["", ""]))


def test_a_book_with_copy_protection(tmp_path: Path) -> None:
    path = files.epub(tmp_path / "a.epub", "http://www.w3.org/2001/04/xmlenc#aes128-cbc")
    assert "copy protection" in problem(path)


def test_a_zip_bomb_ends_in_words(tmp_path: Path) -> None:
    path = files.bomb(tmp_path / "a.docx", 400_000_000)
    assert path.stat().st_size < 2_000_000
    assert "decompression bomb" in problem(path)


def test_a_file_of_ten_gigabytes_is_not_even_opened_by_the_parser(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    with path.open("wb") as file:
        file.truncate(10 * 1000**3)  # sparse: takes no space
    assert "10,000 MB; up to 500 MB" in problem(path)


@pytest.mark.parametrize(
    "declaration",
    [
        '<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>',
        '<!DOCTYPE d [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE d [<!ENTITY % a SYSTEM "http://192.0.2.1/x.dtd"> %a;]>',
    ],
    ids=["laughs", "local file", "remote file"],
)
def test_xml_entities_are_refused(tmp_path: Path, declaration: str) -> None:
    document = f"{declaration}<w:document {files.W}><w:body><w:p><w:r><w:t>&a;</w:t></w:r></w:p></w:body></w:document>"
    path = files.archive(tmp_path / "a.docx", {"word/document.xml": document})
    assert "declares XML entities" in problem(path)


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        ("docx", b""), ("pptx", b"PK\x03\x04"), ("xlsx", os.urandom(5000)), ("epub", b"PK\x05\x06" + b"\0" * 18),
        ("pdf", os.urandom(5000)), ("pdf", b"%PDF-1.7\n" + b"1 0 obj<<" * 3000),
    ],
    ids=["empty", "cut", "noise", "no members", "noise for a pdf", "open objects"],
)  # fmt: skip
def test_damaged_files(tmp_path: Path, suffix: str, content: bytes) -> None:
    words = ("empty", "damaged", "not a sound", "is not an EPUB")
    assert any(w in problem(written(tmp_path / f"a.{suffix}", content)) for w in words)


def test_deep_nesting_and_endless_references(tmp_path: Path) -> None:
    deep = "<w:tbl>" * 50_000
    assert "damaged" in problem(files.docx(tmp_path / "a.docx", deep))
    looped = files.pdf(tmp_path / "b.pdf", ["x"], {0: "t"}).read_bytes()
    looped = looped.replace(b"/Parent 4 0 R/Dest", b"/Next 12 0 R/Dest")  # a bookmark that follows itself
    assert passages(written(tmp_path / "b.pdf", looped))[0].text == "x"


@pytest.mark.parametrize("content", [b"\x00\x01\x02" * 500, bytes(range(128, 160)) * 50], ids=["zeros", "controls"])
def test_what_is_no_text(tmp_path: Path, content: bytes) -> None:
    assert "is not text" in problem(written(tmp_path / "a.txt", content))


def test_links_devices_and_pipes_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").symlink_to("/etc/passwd")
    assert "symbolic link" in problem(tmp_path / "a.txt")
    os.mkfifo(tmp_path / "b.txt")
    assert "not a file" in problem(tmp_path / "b.txt")
    (tmp_path / "c.txt").mkdir()
    assert "not a file" in problem(tmp_path / "c.txt")


def test_a_hostile_name_is_shown_harmlessly(tmp_path: Path) -> None:
    path = tmp_path / "a\x1b]0;owned\x07\nb.txt"
    path.write_bytes(b"")
    with pytest.raises(DocumentError) as caught:
        read(path)
    assert "\x1b" not in str(caught.value) and "\n" not in str(caught.value)


def test_escape_sequences_in_documents_are_gone_from_chunks(tmp_path: Path) -> None:
    from assistant.documents.chunks import chunks

    plain = "word " * 200
    found = passages(written(tmp_path / "a.md", f"# h\x1b[2J\n\x1b]52;c;aGk=\x07text\u202e {plain}"))
    assert [c.heading for c in chunks(found)] == ["h", "h"]
    assert next(chunks(found)).text.startswith("text word word")


def test_an_encrypted_zip_says_so(tmp_path: Path) -> None:
    path = files.docx(tmp_path / "a.docx")
    with zipfile.ZipFile(path) as made:
        offsets = [i.header_offset for i in made.infolist()]
    raw = bytearray(path.read_bytes())
    for at in offsets:
        raw[at + 6] |= 1
    at = 0
    while (at := raw.find(b"PK\x01\x02", at)) >= 0:
        raw[at + 8] |= 1
        at += 4
    assert "protected by a password" in problem(written(path, bytes(raw)))


# -- the sandbox -------------------------------------------------------------------------------------------------------


@LOCKED
def test_the_running_parser_is_locked_and_cannot_reach_other_files(tmp_path: Path) -> None:
    """Look at the real process while it waits for its file, and at what its restrictions do to the same code."""
    worker = subprocess.Popen(
        [sys.executable, "-P", "-m", "assistant.documents.worker", "text"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        end_s = time.monotonic() + 60
        while not _limited(worker.pid) and time.monotonic() < end_s:
            time.sleep(0.02)
        assert sandbox.status(worker.pid).locked
        assert _limited(worker.pid)
    finally:
        out, errors = worker.communicate(b"hello", timeout=60)
    assert b"hello" in out, errors


def _limited(pid: int) -> bool:
    limits = Path(f"/proc/{pid}/limits").read_text()
    return "1073741824" in limits


@LOCKED
def test_from_inside_the_parser(tmp_path: Path) -> None:
    secret = written(tmp_path / "secret.txt", "secret")
    code = f"""
        import os, socket, subprocess, sys
        from assistant.documents import worker
        from assistant.privacy import sandbox
        sandbox.enter_worker(())
        worker._limit()
        def attempt(what):
            try:
                what()
            except (OSError, MemoryError) as error:
                return type(error).__name__
            return "worked"
        print(attempt(lambda: open({str(secret)!r})))
        print(attempt(lambda: open("/etc/passwd")))
        print(attempt(lambda: open({str(tmp_path / "new")!r}, "w")))
        print(attempt(lambda: socket.socket(socket.AF_INET)))
        print(attempt(lambda: socket.socket(socket.AF_UNIX)))
        print(attempt(lambda: os.fork()))
        print(attempt(lambda: bytearray(2 << 30)))
        print(sys.stdin.read())
    """
    with secret.open("rb") as file:
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], stdin=file, capture_output=True, text=True,
                              check=False, timeout=60)  # fmt: skip
    assert done.stdout.split() == [*["PermissionError"] * 6, "MemoryError", "secret"], done.stderr
