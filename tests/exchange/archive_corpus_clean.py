"""Fifty honest archives, as offices make them: none may be refused, and none warned of.

No number of twelve digits here has a right check digit but those that chance gives in a long column of others.
"""

import random
from functools import partial

from tests.exchange import office_writer
from tests.exchange.archive_corpus_cases import Case, case
from tests.exchange.archive_writer import CSV, PDF, XLSX, Item, made
from tests.exchange.workbook_writer import Formula, Number, Sheet, packed, workbook

RNG = random.Random(20261123)
CORPORATE = "1180301018771"  # thirteen digits
WRONG = "123456789012"  # twelve, the last of which is not right
SHEET = Sheet(
    [["法人番号", "基礎年金番号", "金額"], [CORPORATE, "1234567890", Number("250000")], [Formula("1+1", "2")]]
)
PARTS = {"[Content_Types].xml": b"<Types/>", "_rels/.rels": b"<Relationships/>"}
OLD = office_writer.ole(contents=b"x" * 90)  # of a control or an object in a new document
WEB_PAGE = '<html xmlns:x="urn:schemas-microsoft-com:office:excel"><table><tr><td>氏名</td></tr></table></html>'


def rows(*cells: str, count: int = 40, head: str = "契約番号,氏名,番号\r\n") -> str:
    return head + "".join(",".join(cells).replace("#", str(n % 10)) + "\r\n" for n in range(count))


def column(digits: int, count: int) -> str:
    """Numbers of so many digits, some with a right check digit by chance."""
    return "番号,金額\r\n" + "".join(f"{RNG.randrange(10**digits):0{digits}d},{n}\r\n" for n in range(count))


TEXTS = {
    "取得届.csv": rows("916237", "髙橋　一郎", CORPORATE).encode("cp932"),
    "法人番号.csv": column(13, 300).encode("cp932"),
    "基礎年金番号.csv": column(10, 300).encode("cp932"),
    "被保険者番号.csv": column(11, 300).encode("cp932"),
    "受付番号.csv": column(12, 300).encode("cp932"),
    "雇用保険.csv": rows("1234-567890-#", "5012-345678-1").encode("cp932"),
    "口座.csv": rows("0001", "普通", "1234567", "123-456-7890123").encode("cp932"),
    "番号違い.csv": rows("1", WRONG, '"' + WRONG + '"').encode("cp932"),
    "カード.csv": rows("1234-5678-9012-3456", "1234567890123456").encode("cp932"),
    "日時.csv": rows("202607151230", "2026-07-15 12:30", "20260715123045").encode("cp932"),
    "固定長.txt": rows("000000250000", "000012345678", head="").encode("cp932"),
    "小数.csv": rows("0.123456789018", "123456789018.25", "1.123456789018E+11").encode("cp932"),
    "符号.csv": rows("AB123456789018", "123456789018X", "123456789018-01", "01-123456789018").encode("cp932"),
    "電話.csv": rows("03-1234-5678", "090-1234-5678", "０３－１２３４－５６７８", "〒100-0001").encode("cp932"),
    "住所㈱.csv": rows("東京都千代田区霞が関１丁目２番３号", "ﾁﾖﾀﾞｸ", "表ソ能").encode("cp932"),
    "全角.csv": rows("１１８０３０１０１８７７１", "１２３４５６７８９０").encode("cp932"),
    "UTF-8.csv": rows("916237", "髙橋　一郎", CORPORATE).encode("utf-8-sig"),
    "UTF-16.txt": rows("916237", "髙橋　一郎", CORPORATE).replace(",", "\t").encode("utf-16"),
    "印なし.txt": rows("916237", "髙橋　一郎", CORPORATE).encode("utf-16-le"),
    "JIS.txt": rows("916237", "高橋", CORPORATE).encode("iso2022_jp"),
    "EUC.csv": rows("916237", "高橋", CORPORATE).encode("euc_jp"),
    "汎用機.dat": rows("916237", "髙橋", head="").encode("cp932") + b"\x1a",
    "空白埋め.txt": b"0001234567" + bytes(246) + b"0007654321" + bytes(246),
    "一行.csv": b"1",
    "MZ.csv": b"MZ0001,MZ0002\r\n" * 30,
    "説明.txt": "PDF の先頭は %PDF-1.7 です。暗号化は /Encrypt で分かります。<html> も参照。".encode(),
    "申請.xml": f'<?xml version="1.0" encoding="UTF-8"?>\n<届><法人番号>{CORPORATE}</法人番号></届>'.encode(),
    "様式.xsl": b'<?xml version="1.0"?><xsl:stylesheet version="1.0"><html><body/></html></xsl:stylesheet>',
    "公文書.xml": '<?xml version="1.0"?><?xml-stylesheet type="text/xsl" href="a.xsl"?><文書>通知</文書>'.encode(),
    "一覧.json": f'{{"法人番号": "{CORPORATE}", "id": "6f9619ff-8b86-d011-b42d-123456789018"}}'.encode(),
}
DOCUMENTS = {
    "給与.xlsx": XLSX,
    "一覧.xlsx": workbook(SHEET, files={"xl/media/image1.png": office_writer.png()}),
    "マクロなし.xlsm": workbook(SHEET, files={"xl/printerSettings/printerSettings1.bin": bytes(90)}),
    "絵と操作.xlsx": workbook(
        SHEET,
        files={
            "xl/media/image1.svg": b"<svg/>",
            "xl/activeX/activeX1.bin": OLD,
            "xl/embeddings/oleObject1.bin": OLD,
            "docProps/thumbnail.wmf": bytes(90),
        },
    ),
    "ファイルが中に.docx": packed({**PARTS, "word/document.xml": b"<x/>", "word/embeddings/a.xlsx": XLSX}),
    "長い型.xlsx": workbook(SHEET, files={"[Content_Types].xml": b"<Types>" + b"<Default/>" * 50_000 + b"</Types>"}),
    "型が最後.xlsx": packed({"xl/workbook.xml": b"<workbook/>", **PARTS}),
    "説明.docx": packed({**PARTS, "word/document.xml": "<w:document>届書</w:document>".encode()}),
    "説明.pptx": packed({**PARTS, "ppt/presentation.xml": b"<p:presentation/>"}),
    "一覧.ods": packed(
        {"mimetype": b"application/vnd.oasis.opendocument.spreadsheet", "META-INF/manifest.xml": b"<x/>"}
    ),
    "旧.xls": office_writer.xls(),
    "旧.doc": office_writer.doc(),
    "給与ソフト.xls": WEB_PAGE.encode("cp932"),
    "給与ソフト2.xls": rows("916237", "髙橋", CORPORATE).replace(",", "\t").encode("cp932"),
    "表計算2003.xls": b'<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?><Workbook/>' + b" " * 90,
    "手紙.doc": b"{\\rtf1\\ansi\\deff0 123456789018}",
    "様式.jtd": office_writer.ole(DocumentText=b"ssmg.01" + bytes(900)),
    "図面.xdw": b"`\x0e\x82\3" + bytes(range(200)) * 4,
    "通知.pdf": PDF,
    "通知2.pdf": office_writer.pdf(),
    "通知3.pdf": office_writer.pdf(
        body=b"9 0 obj\n(/EncryptMetadata false, /Encryption)\nendobj\n", has_stream_index=True
    ),
    "通知4.pdf": b"\r\n" + office_writer.pdf(),
    "写真.jpg": office_writer.jpeg(),
    "写真2.jpg": office_writer.png(),
    "印影.gif": office_writer.gif(),
    "印影.bmp": office_writer.bmp(),
    "印影.tif": office_writer.tiff(),
    "名前だけ": CSV,
    "不明.abc": bytes(range(256)) * 4,
}
NAMED = [f"届書_{CORPORATE}.csv", "届書_202607151230.csv", f"届書_{WRONG}.csv", "20260715123045.csv", "12.34.csv"]


def alone(name: str, data: bytes) -> Case:
    return case(name, partial(made, Item(name, data)), "", (name,))


CLEAN_FILES = [
    *(alone(name, data) for name, data in {**TEXTS, **DOCUMENTS}.items()),
    *(alone(name, CSV) for name in NAMED),
    case("all of them in one", partial(made, *(Item(name, data) for name, data in {**TEXTS, **DOCUMENTS}.items()))),
    case(
        "macOS's companion",
        partial(made, Item("届書.csv"), Item("__MACOSX/._届書.csv", b"\0\5\x16\7\0\2" + bytes(range(120)))),
    ),
]
