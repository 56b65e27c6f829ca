"""The documentation agrees with the code: links, commands, files, settings, metrics, generated parts."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import pytest
import typer
from prometheus_client import Counter, Gauge, Histogram
from pydantic_settings import BaseSettings

import services
from onedoor.cli import app
from services.front.web import figures
from services.runtime import telemetry
from services.runtime.store.database import SERVER_SETTINGS
from tools import drawings, pictures, settings_table

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
NAMES = [str(document.relative_to(ROOT)) for document in DOCUMENTS]

LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)")
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
COMMAND = re.compile(r"(?:^|[\s`/])onedoor ([^\n`]+)")
TARGET = re.compile(r"\bmake ([a-z]+)\b")
TEST = re.compile(r"`(tests/[\w./-]*)::(\w+)`")
PLACE = re.compile(r"`((?:contracts|services|onedoor|deploy|tools|docs|tests)/[\w./-]*)`")
SETTING = re.compile(r"\bONEDOOR_[A-Z_]*[A-Z]\b(?!_?\*)")
METRIC = re.compile(r"`(onedoor_[a-z_]+)`")

documents = pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)


def code(document: Path) -> str:
    """All text in code font."""
    return "\n".join(CODE.findall(document.read_text(encoding="utf-8")))


@documents
def test_every_link_leads_somewhere(document: Path) -> None:
    for target, heading in LINK.findall(document.read_text(encoding="utf-8")):
        place = document.parent / target if target else document
        assert place.exists(), f"{target} is not there"
        if heading:
            assert heading in headings(place), f"{target} has no heading {heading}"


def headings(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@documents
def test_every_command_exists_with_its_options(document: Path) -> None:
    for line in COMMAND.findall(code(document)):
        command: Any = typer.main.get_command(app)
        options = []
        for part in line.split("#")[0].split():
            if part.startswith("--"):
                options.append(part.partition("=")[0])
            elif hasattr(command, "commands"):
                assert part in command.commands, f"onedoor {line}: no such command"
                command = command.commands[part]
        known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        assert known | {"--help"} >= set(options), f"onedoor {line}: no such option"


@documents
def test_every_target_of_make_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(TARGET.findall(code(document))) <= targets


@documents
def test_every_test_that_is_named_exists(document: Path) -> None:
    for file, test in TEST.findall(document.read_text(encoding="utf-8")):
        assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file} has no {test}"


@documents
def test_every_file_that_is_named_exists(document: Path) -> None:
    for place in PLACE.findall(document.read_text(encoding="utf-8")):
        assert (ROOT / place).exists(), f"{place} is not there"


def test_the_map_names_files_by_full_paths_or_beside_the_one_before() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text.partition("## Where to find it")[2].partition("## ")[0]
    for row in re.findall(r"^\| .+ \| (.*`.*) \|$", table, re.MULTILINE):
        folder = None
        for place in re.findall(r"`([\w./-]+(?:\.\w+|/))`", row):
            path = ROOT / place if PLACE.fullmatch(f"`{place}`") else folder / place if folder else None
            assert path is not None and path.exists(), f"{place} is not there: {row}"
            folder = path.parent


def test_the_layout_names_every_room() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\b(\w+)/", text.partition("## Layout")[2].partition("## ")[0]))
    rooms = ("", "services", "services/runtime", "services/operator", "services/departments", "services/monitor")
    for room in (*rooms, "contracts", "onedoor", "deploy", "deploy/local", "tests"):
        found = {file.parent.name for file in (ROOT / room).glob("*/*.py")}
        assert found <= named, f"the layout lacks {', '.join(sorted(found - named))}"


@documents
def test_every_setting_and_metric_exists(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert set(SETTING.findall(text)) <= settings_table.variables()
    assert set(METRIC.findall(text)) <= metrics()


def metrics() -> set[str]:
    """The names of our metrics, as Prometheus knows them."""
    modules = (telemetry, figures)
    ours = [one for module in modules for one in vars(module).values() if isinstance(one, Counter | Gauge | Histogram)]
    families = [family for one in ours for family in one.describe()]
    return {f"{family.name}_total" if family.type == "counter" else family.name for family in families}


def test_the_table_of_settings_is_up_to_date() -> None:
    written = settings_table.DOCUMENT.read_text(encoding="utf-8")
    assert written == settings_table.markdown(), "write it anew: make generated"


def test_the_table_of_settings_is_complete() -> None:
    for module in walk_packages(services.__path__, "services."):
        if module.name.rsplit(".", 1)[-1] in ("settings", "sandbox"):
            import_module(module.name)
    ours = {kind for kind in kinds(BaseSettings) if kind.__module__.startswith("services.") and kind.model_fields}
    assert ours == {group.kind for group in settings_table.groups()}


def kinds(root: type[BaseSettings]) -> Iterator[type[BaseSettings]]:
    for kind in root.__subclasses__():
        yield kind
        yield from kinds(kind)


def test_a_pooler_is_told_of_every_setting_of_a_session() -> None:
    text = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    ignored = re.search(r"ignore_startup_parameters = ([\w,\s]+?)\nALTER", text)
    assert ignored is not None
    assert set(re.split(r",\s*", ignored[1])) == SERVER_SETTINGS.keys()


def test_the_diagrams_are_up_to_date() -> None:
    text = drawings.DOCUMENT.read_text(encoding="utf-8")
    assert text == drawings.redraw(text), "write them anew: make generated"


def test_a_place_that_nobody_draws_is_refused() -> None:
    text = drawings.DOCUMENT.read_text(encoding="utf-8")
    with pytest.raises(drawings.UnknownDrawing, match="flows"):
        drawings.redraw(text.replace("drawn: flows", "drawn: rivers"))


def test_every_table_of_moves_has_a_diagram() -> None:
    tables = []
    for file in (ROOT / "services").rglob("core/**/*.py"):
        module = import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
        tables += [module.MOVES] if hasattr(module, "MOVES") else []
    assert len(tables) >= 11
    assert all(any(table is drawn for drawn in drawings.TABLES.values()) for table in tables)


def test_the_decision_on_moves_names_the_tables_that_are_executed() -> None:
    decision = (ROOT / "docs" / "decisions" / "0020-moves-by-capability.md").read_text(encoding="utf-8")
    table = decision.partition("Not every table is executed")[2].partition("## ")[0]
    reads = re.compile(r"\b(?:in |\()MOVES\b|\bMOVES\.")
    code = [*(ROOT / "services").rglob("core/**/*.py")]
    executed = {str(file.relative_to(ROOT)) for file in code if reads.search(file.read_text(encoding="utf-8"))}
    assert set(PLACE.findall(table)) == executed


def test_a_diagram_shows_every_move() -> None:
    drawn = drawings.DRAWINGS["routing-lifecycle"]()
    assert "open --> decided: TaskDone" in drawn
    assert "[*] --> open: CaseAccepted" in drawn
    assert "decided --> [*]" in drawn


def test_the_pictures_of_the_guide_are_few_small_and_shown() -> None:
    sizes = {path.name: path.stat().st_size for path in pictures.FOLDER.iterdir()}
    assert sizes.keys() == {f"{name}.png" for name in pictures.PICTURES}, "make them anew: python -m tools pictures"
    assert len(sizes) <= 8 and max(sizes.values()) < 120_000
    guide = (ROOT / "docs" / "supervisor.md").read_text(encoding="utf-8")
    assert all(f"pictures/{name}" in guide for name in sizes)
