"""Small documents of every format, made here byte by byte, so that the tests say what is in them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
R = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
A = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
P = 'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
S = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def archive(path: Path, members: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in members.items():
            out.writestr(name, content)
    return path


def docx(path: Path, body: str = "") -> Path:
    """A heading in a German style, a paragraph in two runs, a page break, a table."""
    styles = (
        f'<w:styles {W}><w:style w:type="paragraph" w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style>'
        '<w:style w:type="paragraph" w:styleId="berschrift2"><w:name w:val="heading 2"/></w:style></w:styles>'
    )
    body = body or (
        '<w:p><w:pPr><w:pStyle w:val="berschrift1"/></w:pPr><w:r><w:t>Boiler</w:t></w:r></w:p>'
        "<w:p><w:r><w:t>Keep the </w:t></w:r><w:r><w:t>pressure at 1.5 bar.</w:t></w:r></w:p>"
        '<w:p><w:pPr><w:pStyle w:val="berschrift2"/></w:pPr><w:r><w:lastRenderedPageBreak/><w:t>Costs</w:t></w:r></w:p>'
        "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>Valve</w:t></w:r></w:p></w:tc>"
        "<w:tc><w:p><w:r><w:t>12 EUR</w:t></w:r></w:p></w:tc></w:tr></w:tbl>"
    )
    document = f"<w:document {W}><w:body>{body}</w:body></w:document>"
    return archive(path, {"word/document.xml": document, "word/styles.xml": styles})


def pptx(path: Path) -> Path:
    """Two slides whose files are in the other order than the presentation."""

    def slide(title: str, text: str) -> str:
        return (
            f'<p:sld {P} {A}><p:cSld><p:spTree><p:sp><p:nvSpPr><p:nvPr><p:ph type="title"/></p:nvPr></p:nvSpPr>'
            f"<p:txBody><a:p><a:r><a:t>{title}</a:t></a:r></a:p></p:txBody></p:sp>"
            f"<p:sp><p:txBody><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:txBody></p:sp></p:spTree></p:cSld></p:sld>"
        )

    relations = "".join(f'<Relationship Id="rId{n}" Target="slides/slide{n}.xml"/>' for n in (1, 2))
    return archive(
        path,
        {
            "ppt/presentation.xml": f'<p:presentation {P} {R}><p:sldIdLst><p:sldId id="256" r:id="rId2"/>'
            '<p:sldId id="257" r:id="rId1"/></p:sldIdLst></p:presentation>',
            "ppt/_rels/presentation.xml.rels": f"<Relationships>{relations}</Relationships>",
            "ppt/slides/slide1.xml": slide("Goals", "Save water."),
            "ppt/slides/slide2.xml": slide("Welcome", "The plumbers meet at nine."),
        },
    )


def xlsx(path: Path) -> Path:
    """A sheet "Costs" with shared strings, a number and a date."""
    strings = "".join(f"<si><t>{t}</t></si>" for t in ("Item", "Price", "Bought", "Valve"))
    rows = (
        '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c><c r="C1" t="s"><v>2</v></c></row>'
        '<row r="2"><c r="A2" t="s"><v>3</v></c><c r="B2"><v>0.30000000000000004</v></c>'
        '<c r="C2" s="1"><v>45292</v></c></row>'
        '<row r="3"><c r="C3" t="inlineStr"><is><t>only here</t></is></c></row>'
    )
    return archive(
        path,
        {
            "xl/workbook.xml": f'<workbook {S} {R}><sheets><sheet name="Costs" sheetId="1" r:id="rId1"/></sheets>'
            "</workbook>",
            "xl/_rels/workbook.xml.rels": '<Relationships><Relationship Id="rId1" Target="worksheets/sheet1.xml"/>'
            "</Relationships>",
            "xl/sharedStrings.xml": f"<sst {S}>{strings}</sst>",
            "xl/styles.xml": f'<styleSheet {S}><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>',
            "xl/worksheets/sheet1.xml": f"<worksheet {S}><sheetData>{rows}</sheetData></worksheet>",
        },
    )


def epub(path: Path, encryption: str = "") -> Path:
    members: dict[str, str | bytes] = {
        "META-INF/container.xml": '<container><rootfiles><rootfile full-path="OPS/book.opf"/></rootfiles></container>',
        "OPS/book.opf": '<package><manifest><item id="b" href="two.xhtml"/><item id="a" href="one%20a.xhtml"/>'
        "</manifest>"
        '<spine><itemref idref="a"/><itemref idref="b"/></spine></package>',
        "OPS/one a.xhtml": "<html><body><h1>First</h1><p>It was night.</p></body></html>",
        "OPS/two.xhtml": "<html><body><h1>Second</h1><p>It was day.</p><p>Then it rained.</p></body></html>",
    }
    if encryption:
        members["META-INF/encryption.xml"] = (
            f'<encryption><EncryptedData><EncryptionMethod Algorithm="{encryption}"/></EncryptedData></encryption>'
        )
    return archive(path, members)


def pdf(path: Path, pages: list[str], bookmarks: dict[int, str] | None = None) -> Path:
    """A PDF with one line of text a page, and bookmarks by page from 0. A page "" has no text."""
    titles = bookmarks or {}
    n, objects = len(pages), {}
    first_page, first_stream, first_item = 10, 10 + n, 10 + 2 * n
    kids = " ".join(f"{first_page + i} 0 R" for i in range(n))
    items = [first_item + i for i in range(len(titles))]
    objects[1] = "<</Type/Catalog/Pages 2 0 R" + ("/Outlines 4 0 R>>" if items else ">>")
    objects[2] = f"<</Type/Pages/Count {n}/Kids[{kids}]>>"
    objects[3] = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
    if items:
        objects[4] = f"<</Type/Outlines/First {items[0]} 0 R/Last {items[-1]} 0 R/Count {len(items)}>>"
    for i, text in enumerate(pages):
        objects[first_page + i] = (
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Contents {first_stream + i} 0 R"
            "/Resources<</Font<</F1 3 0 R>>>>>>"
        )
        drawn = f"BT /F1 12 Tf 20 200 Td ({text}) Tj ET" if text else ""
        objects[first_stream + i] = f"<</Length {len(drawn)}>>stream\n{drawn}\nendstream"
    for at, (page, title) in enumerate(titles.items()):
        following = f"/Next {items[at + 1]} 0 R" if at + 1 < len(items) else ""
        objects[items[at]] = f"<</Title({title})/Parent 4 0 R/Dest[{first_page + page} 0 R/Fit]{following}>>"
    out = io.BytesIO(b"%PDF-1.4\n")
    out.seek(0, io.SEEK_END)
    places = {}
    for number in sorted(objects):
        places[number] = out.tell()
        out.write(f"{number} 0 obj\n{objects[number]}\nendobj\n".encode())
    table, last = out.tell(), max(objects)
    out.write(f"xref\n0 {last + 1}\n0000000000 65535 f \n".encode())
    for number in range(1, last + 1):
        out.write(f"{places[number]:010} 00000 n \n".encode() if number in places else b"0000000000 65535 f \n")
    out.write(f"trailer<</Size {last + 1}/Root 1 0 R>>\nstartxref\n{table}\n%%EOF\n".encode())
    path.write_bytes(out.getvalue())
    return path


def bomb(path: Path, unpacked_bytes: int) -> Path:
    """A Word document whose text unpacks to that many bytes."""
    head = f"<w:document {W}><w:body><w:p><w:r><w:t>".encode()
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as out,
        out.open("word/document.xml", "w") as m,
    ):
        m.write(head)
        piece = b"a " * 500_000
        for _ in range(unpacked_bytes // len(piece)):
            m.write(piece)
    return path
