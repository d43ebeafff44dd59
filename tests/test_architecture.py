"""The house rules that a machine can check: who may import whom, which library lives where, what may not be written."""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OURS = {"app", "commands", "work", "blueprints", "exchange", "equipment", "papers", "models", "database", "migrations"}
ROWS = ("equipment.py", "papers.py", "models.py", "database.py")

LEAVES = {
    *("errors", "audit", "permissions", "throttle", "onetime", "credentials", "sealing", "archives", "vault"),
    *("scanner", "outbox", "vpn", "jobs", "calendar", "settings"),
    *("actors", "normalise", "registration_file", "zip_structure", "zip_names", "zip_findings"),
    *("zip_entries", "zip_extras", "zip_streams", "zip_writer", "logs", "postman", "qr", "lists"),
    *("trail", "spreadsheet", "letter_paper", "workbooks", "registration_columns", "recognised", "clock"),
    *("confirmation_code", "certificates", "vpn_file", "kits", "softether", "hours", "progress_kinds"),
    *("marks", "reasons", "contents", "magic", "documents_inside", "my_number"),
    *("zip_ciphers", "zip_reading", "judging", "testimony"),
    *("vault_reader", "judge_process", "walls", "scan_ages", "quarantine", "mail_rows"),
}
VERBS = {
    *("transfers", "devices", "registrations", "letters", "statements", "people"),
    *("installation", "sessions", "inspections", "archive_passwords", "pickups", "demonstration", "fund"),
    *("accounts", "places", "possible", "locks", "overview", "roster"),
    *("visits", "invitations", "intake", "counter", "documents", "installers", "contracts", "progress"),
    *("addresses", "letter_making", "dispatch"),
    *("activations", "activation_checks", "vpn_orders", "installer_making", "handovers", "download_keys", "tunnels"),
    *("tunnel_logins", "activation_facts", "inventory", "scans", "rescans", "arrivals", "other_offices"),
}

# Below blueprints/, a third-party library has one home.
HOMES = {
    "pyzipper": {"exchange/zip_ciphers.py"},
    "pyotp": {"exchange/onetime.py"},
    "nacl": {"exchange/sealing.py"},
    "argon2": {"exchange/credentials.py"},
    "smtplib": {"exchange/postman.py"},
    "email": {"exchange/postman.py", "blueprints/demo.py"},  # one writes mails, the demonstration shows them
    "jinja2": {"exchange/postman.py", "exchange/letter_paper.py", "exchange/kits.py"},
    "segno": {"exchange/qr.py"},
    "weasyprint": {"exchange/letter_paper.py"},
    "pypdf": {"exchange/letter_paper.py"},
    "python_calamine": {"exchange/workbooks.py"},
    "jpholiday": {"exchange/calendar.py"},
    "cryptography": {"exchange/certificates.py", "exchange/zip_ciphers.py"},  # certificates; AES entries
    "Cryptodome": {"exchange/zip_ciphers.py"},
    "zlib_ng": {"exchange/zip_streams.py"},
    "libarchive": {"exchange/zip_ciphers.py"},
}
EVERYWHERE_BELOW = {"peewee", "playhouse"}
WEB = {"flask", "flask_login", "flask_wtf", "wtforms", "werkzeug", "htmx_flask", "markupsafe", "jinja2"}

# What each floor may import of ours. commands.py and app.py stand side by side on top.
ALLOWED = {
    "app.py": {"blueprints", "exchange", "equipment", "papers", "models", "database", "commands"},
    "commands.py": {"blueprints", "exchange", "equipment", "papers", "models", "database", "work"},
    "work.py": {"exchange", "equipment", "papers", "models", "database"},
    "blueprints": {"blueprints", "exchange", "equipment", "papers", "models", "database"},
    "exchange": {"exchange", "equipment", "papers", "models", "database"},
    "equipment.py": {"papers", "models", "database"},
    "papers.py": {"models", "database"},
    "models.py": {"database"},
    "database.py": set(),
    "migrations": set(),
}

WRITES = {
    *("save", "create", "update", "delete", "insert", "insert_many", "bulk_create", "bulk_update"),
    *("get_or_create", "delete_instance", "delete_by_id", "set_by_id", "execute", "execute_sql", "atomic"),
}
QUERIES = {"select", "where", "order_by", "group_by", "raw", "get_by_id", "get_or_none", "prefetch"}

LENGTHS = {"models.py": 650}
LINES, FUNCTION_LINES = 400, 40


def product_files() -> list[Path]:
    """Python that runs in the product."""
    folders = [ROOT / name for name in ("blueprints", "exchange", "migrations")]
    return [
        *(ROOT / name for name in ("app.py", "commands.py", "work.py", *ROWS)),
        *_python_in(*folders),
    ]


def all_files() -> list[Path]:
    """Every Python file of the project."""
    return [*product_files(), *_python_in(ROOT / "tests", ROOT / "bench", ROOT / "deploy", ROOT / "scripts")]


def own_pages() -> list[Path]:
    """Templates, style sheets and scripts that we wrote."""
    static = (file for file in (ROOT / "static").rglob("*") if "vendor" not in file.parts)
    return [file for file in [*(ROOT / "templates").rglob("*"), *static] if file.suffix in (".html", ".css", ".js")]


def _python_in(*folders: Path) -> list[Path]:
    return sorted(file for folder in folders for file in folder.rglob("*.py"))


def name_of(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


@cache
def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), filename=name_of(file))


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything imported; `from exchange import vault` is exchange.vault."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            dotted = node.module or ""
            whole = dotted in ("exchange", "blueprints")
            yield from ((node.lineno, f"{dotted}.{alias.name}" if whole else dotted) for alias in node.names)


def calls(tree: ast.AST) -> Iterator[tuple[ast.Call, str]]:
    """(call, last part of the called name)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node, getattr(node.func, "attr", getattr(node.func, "id", ""))


def floor_of(file: Path) -> str:
    return name_of(file).split("/")[0]


def test_every_import_goes_downwards() -> None:
    wrong = [
        f"{name_of(file)}:{line} imports {dotted}"
        for file in product_files()
        for line, dotted in imports(tree_of(file))
        if (top := dotted.split(".")[0]) in OURS and top not in ALLOWED[floor_of(file)]
    ]
    assert wrong == [], "app, commands -> blueprints -> exchange -> models -> database"


def test_every_module_of_exchange_is_listed_as_a_leaf_or_a_verb() -> None:
    present = {file.relative_to(ROOT / "exchange").parts[0].removesuffix(".py") for file in _exchange()}
    assert present - LEAVES - VERBS == set(), "decide whether it is a leaf or a verb, and list it at the top"
    assert (LEAVES | VERBS) - present == set(), "no such module any more"
    assert LEAVES.isdisjoint(VERBS)


def test_leaves_never_import_verbs() -> None:
    wrong = [
        f"{name_of(file)}:{line} imports {dotted}"
        for file in _exchange()
        if file.stem in LEAVES
        for line, dotted in imports(tree_of(file))
        if dotted.startswith("exchange.") and dotted.split(".")[1] in VERBS
    ]
    assert wrong == []


def test_the_modules_of_exchange_import_each_other_in_no_circle() -> None:
    graph = {
        file.stem: {dotted.split(".")[1] for _, dotted in imports(tree_of(file)) if dotted.startswith("exchange.")}
        for file in _exchange()
    }
    while free := {name for name, needed in graph.items() if not needed & graph.keys()}:
        graph = {name: needed for name, needed in graph.items() if name not in free}
    assert graph == {}


def test_our_own_modules_are_imported_at_the_top_of_a_file_only() -> None:
    wrong = [
        f"{name_of(file)}:{line} imports {dotted} inside {function.name}"
        for file in all_files()
        for function in _functions(tree_of(file))
        for line, dotted in imports(function)
        if dotted.split(".")[0] in OURS | {"tests", "bench"}
    ]
    assert wrong == []


def test_each_library_has_one_home() -> None:
    wrong = [
        f"{name_of(file)}:{line} imports {dotted}"
        for file in product_files()
        for line, dotted in imports(tree_of(file))
        if not _may_import(file, dotted.split(".")[0])
    ]
    assert wrong == []


def test_blueprints_only_call_verbs_and_never_write_or_query() -> None:
    wrong = [
        f"{name_of(file)}:{call.lineno} calls .{name}()"
        for file in _python_in(ROOT / "blueprints")
        for call, name in calls(tree_of(file))
        if isinstance(call.func, ast.Attribute) and name in WRITES | (set() if _is_guards(file) else QUERIES)
    ]
    assert wrong == [], "a write is a verb in exchange/, a query a classmethod of its row"


def test_only_guards_answers_not_found() -> None:
    wrong = [
        f"{name_of(file)}:{call.lineno}"
        for file in product_files()
        if not _is_guards(file)
        for call, name in calls(tree_of(file))
        if name == "NotFound" or (name == "abort" and _first_argument(call) == 404)
    ]
    assert wrong == []


def test_a_page_and_the_act_it_offers_are_two_functions() -> None:
    wrong = [
        f"{name_of(file)}:{call.lineno}"
        for file in [ROOT / "app.py", *_python_in(ROOT / "blueprints")]
        for call, name in calls(tree_of(file))
        if name in ("route", "add_url_rule")
        and any(word.arg == "methods" and len(ast.literal_eval(word.value)) > 1 for word in call.keywords)
    ]
    assert wrong == []


def test_files_and_functions_stay_short() -> None:
    long_files = [
        f"{name_of(file)}: {count} lines"
        for file in [*all_files(), *(file for file in own_pages() if file.suffix != ".css")]
        if (count := len(file.read_text(encoding="utf-8").split("\n")) - 1) > LENGTHS.get(name_of(file), LINES)
    ]
    long_functions = [
        f"{name_of(file)}:{function.lineno} {function.name}: {count} lines"
        for file in all_files()
        if floor_of(file) != "migrations"
        for function in _functions(tree_of(file))
        if (count := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES
    ]
    assert long_files + long_functions == []


def test_dangerous_shortcuts_are_not_taken() -> None:
    banned = {"secure_filename", "render_template_string", "eval", "exec", "Markup"}
    wrong = [
        f"{name_of(file)}:{call.lineno} {name}()"
        for file in product_files()
        for call, name in calls(tree_of(file))
        if name in banned
    ]
    unescaped = [
        f"{name_of(file)}:{number} {line.strip()}"
        for file in own_pages()
        for number, line in _lines(file)
        if re.search(r"\|\s*safe\b|autoescape\s+false", line)
    ]
    assert wrong + unescaped == []


def test_templates_carry_no_script_or_style_of_their_own() -> None:
    inline = re.compile(r"<script(?![^>]*\bsrc=)|<style|\sstyle=[\"']|\son[a-z]+=[\"']|\shx-on|javascript:|data:image")
    wrong = [
        f"{name_of(file)}:{number} {line.strip()}"
        for file in own_pages()
        if file.suffix == ".html"
        for number, line in _lines(file)
        if inline.search(line)
    ]
    assert wrong == [], "the content security policy forbids it"


def test_pages_need_nothing_from_another_host() -> None:
    outside = re.compile(r"https?://(?!www\.w3\.org/)|(src|href|action)=[\"']//|url\([\"']?//")
    wrong = [
        f"{name_of(file)}:{number} {line.strip()}"
        for file in own_pages()
        for number, line in _lines(file)
        if outside.search(line)
    ]
    assert wrong == [], "the PC at the other end has no internet while it is connected"


def test_nothing_is_left_for_later_in_the_text() -> None:
    unfinished = re.compile(r"\b(TODO|FIXME|HACK)\b")
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    wrong = [
        f"{name_of(file)}:{number} {line.strip()}"
        for file in [*all_files(), *own_pages(), *documents]
        if file != Path(__file__)
        for number, line in _lines(file)
        if unfinished.search(line)
    ]
    assert wrong == []


def _exchange() -> list[Path]:
    return [file for file in _python_in(ROOT / "exchange") if file.name != "__init__.py"]


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _is_guards(file: Path) -> bool:
    return name_of(file) == "blueprints/guards.py"


def _may_import(file: Path, top: str) -> bool:
    """Whether a file may import a library: one with a home only there, others by floor."""
    if top in OURS or (top in sys.stdlib_module_names and top not in HOMES):
        return True
    if name_of(file) in HOMES.get(top, ()):
        return True
    floor = floor_of(file)
    if floor in (*ROWS, "migrations", "exchange"):
        return top in EVERYWHERE_BELOW
    return top in WEB or (floor != "blueprints" and top in {"click", *EVERYWHERE_BELOW})


def _first_argument(call: ast.Call) -> object:
    return call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else None


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    return enumerate(file.read_text(encoding="utf-8").split("\n"), 1)
