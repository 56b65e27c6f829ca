"""People read English or Chinese: no command prints an error or a sentence in one of the two only."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from onedoor.cli import app, main
from services.monitor.store.notifications import directory_store
from tests.support.languages import in_both, in_english_only

NOWHERE = "postgresql+asyncpg://user:hidden@127.0.0.1:1/{service}"

ARGUMENTS: dict[str, list[str]] = {
    "audit": [],
    "calendar due": ["--from", "2026-03-02", "--days", "5"],
    "calendar explain": ["--from", "2026-03-02", "--days", "5"],
    "calendar load": ["nowhere.json"],
    "dead-letters correct": ["1", "--service", "tax", "--reason", "x"],
    "dead-letters drop": ["1", "--service", "tax"],
    "dead-letters list": [],
    "dead-letters replay": ["1", "--service", "tax"],
    "dead-letters show": ["1", "--service", "tax"],
    "demo": [],
    "directory apply": ["nowhere.yaml"],
    "directory approve": ["1"],
    "directory check": ["nowhere.yaml"],
    "directory diff": ["nowhere.yaml"],
    "directory follow": [],
    "directory history": [],
    "directory proposals": [],
    "directory recipients": ["--rung", "red", "--owner", "x", "--region", "450103"],
    "directory show": [],
    "directory withdraw": ["1"],
    "figures recount": [],
    "journal export": ["--region", "450103", "--out", "nowhere.jsonl"],
    "journal key": [],
    "journal root": ["--region", "450103"],
    "journal verifier": [],
    "journal verify": ["nowhere.jsonl"],
    "login": [],
    "logout": [],
    "migrate": [],
    "people add": ["li-na", "--name", "李娜"],
    "people disable": ["li-na"],
    "people enable": ["li-na"],
    "people enrol": ["li-na", "--issuer", "https://login.example"],
    "people list": [],
    "record key": ["--service", "intake"],
    "record export": ["--service", "intake", "--out", "nowhere.jsonl"],
    "record verify": ["--service", "intake"],
    "replay": ["nowhere.csv"],
    "rules apply": [],
    "rules approve": ["1"],
    "rules check": ["nowhere.yaml"],
    "rules diff": [],
    "rules follow": [],
    "rules history": [],
    "rules proposals": [],
    "rules show": [],
    "rules withdraw": ["1"],
    "sandbox": ["nowhere"],
    "serve": ["nowhere"],
    "times list": [],
    "times settle": ["1", "x", "since", "2026-03-02", "--reason", "x"],
    "up": [],
    "whoami": [],
    "wall add": ["hall", "--issuer", "https://login.example"],
    "wall list": [],
    "wall revoke": ["hall"],
}
"""The arguments that each command requires."""


def commands() -> dict[str, typer.core.TyperCommand]:
    """Every command by its name."""

    def leaves(command: object, name: str) -> Iterator[tuple[str, typer.core.TyperCommand]]:
        if isinstance(command, typer.core.TyperGroup):
            for part, inner in command.commands.items():
                yield from leaves(inner, f"{name} {part}".strip())
        else:
            assert isinstance(command, typer.core.TyperCommand)
            yield name, command

    return dict(leaves(typer.main.get_command(app), ""))


COMMANDS = commands()
OPTIONS = {name: {option for one in command.params for option in one.opts} for name, command in COMMANDS.items()}


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """The lines with which the command refuses these arguments."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    printed = capsys.readouterr()
    assert ended.value.code not in (None, 0), printed
    lines = [line for line in f"{printed.err}{printed.out}".splitlines() if line]
    assert lines, "it gives no reason"
    return lines


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder in which there is nothing, and no settings."""
    monkeypatch.chdir(tmp_path)
    for name in ("ONEDOOR_DATABASE", "ONEDOOR_MONITOR", "ONEDOOR_TOKEN", "ONEDOOR_ISSUER"):
        monkeypatch.delenv(name, raising=False)


def test_the_arguments_of_every_command_are_known() -> None:
    assert ARGUMENTS.keys() == COMMANDS.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_wrong_option_is_refused_in_both_languages(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines = refused(capsys, *name.split(), *ARGUMENTS[name], "--nonsense")
    assert "--nonsense" in lines[0] and all(map(in_both, lines)), lines


VALUES = [
    (name, parameter.opts[0])
    for name, command in COMMANDS.items()
    for parameter in command.params
    if isinstance(parameter, typer.core.TyperOption)
    and parameter.type_descriptor.annotation not in (str, Path, bool, list[str])
]


@pytest.mark.parametrize(("name", "option"), VALUES)
def test_a_wrong_value_is_refused_in_both_languages(name: str, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines = refused(capsys, *name.split(), *ARGUMENTS[name], option, "nonsense")
    assert option in lines[0] and all(map(in_both, lines)), lines


@pytest.mark.parametrize("name", [name for name, arguments in ARGUMENTS.items() if arguments])
def test_a_missing_argument_is_named_in_both_languages(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines = refused(capsys, *name.split())
    assert all(map(in_both, lines)), lines


WITH_DATABASE = [name for name, options in OPTIONS.items() if "--database" in options]


@pytest.mark.parametrize("name", WITH_DATABASE)
@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (NOWHERE, "nothing listens at this address; start the database, or correct the address"),
        ("mysql://u:p@127.0.0.1/{service}", "must be like postgresql"),
        ("postgresql+asyncpg://u:p@db.example/{service}", "the connection must be encrypted"),
    ],
)
def test_a_database_that_cannot_be_used_is_described_in_both_languages(
    name: str, address: str, expected: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONEDOOR_SYSTEMS", "tax")
    lines = refused(capsys, *name.split(), *with_files(name), "--database", address)
    assert expected in "".join(lines) and "hidden" not in "".join(lines), lines
    assert all(map(in_both, lines)), lines


@pytest.mark.parametrize("name", [name for name in WITH_DATABASE if "--folder" in OPTIONS[name]])
def test_a_folder_without_a_platform_is_named_in_both_languages(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines = refused(capsys, *name.split(), *with_files(name), "--folder", "elsewhere")
    assert "elsewhere is no folder of 'onedoor up'" in "".join(lines) and all(map(in_both, lines)), lines


def with_files(name: str) -> list[str]:
    """The arguments of a command, with files that are there and without faults."""
    contents = {
        "nowhere.yaml": directory_store.SAMPLE.read_text(encoding="utf-8"),
        "nowhere.json": json.dumps(
            {
                "region": "CN-45",
                "year": 2026,
                "days": [{"name": "三月三", "date": "2026-04-20", "isOffDay": True}],
            }
        ),
    }
    for argument in ARGUMENTS[name]:
        if argument in contents:
            Path(argument).write_text(contents[argument], encoding="utf-8")
    return ARGUMENTS[name]


READING = [name for name, given in ARGUMENTS.items() if "nowhere." in "".join(given) and "--out" not in given]


@pytest.mark.parametrize("name", READING)
def test_a_file_that_is_not_there_is_named_in_both_languages(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines = refused(capsys, *name.split(), *ARGUMENTS[name])
    assert "nowhere." in lines[0] and all(map(in_both, lines)), lines


def test_services_and_sandboxes_name_their_missing_settings_in_both_languages(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONEDOOR_SERVICE", "intake")  # the command would set it for good
    monkeypatch.setenv("ONEDOOR_SYSTEMS", "tax")
    for command in (["serve", "intake"], ["sandbox", "tax"], ["migrate", "intake"], ["audit", "--replay", "some"]):
        lines = refused(capsys, *command)
        assert all(map(in_both, lines)), lines


PRINTING = {"echo", "print", "notify", "_notify", "confirm", "exit", "SystemExit"}
"""Functions that print their first argument."""

RAISING = {"WrongSetting", "WrongOption", "BadParameter", "end", "_Unusable", "ValueError"}
"""Errors of commands and settings whose message is one text."""

ROOMS = ("onedoor", "deploy/local", "services/operator", "services/runtime/security", "services/start.py")


def sources() -> Iterator[Path]:
    root = Path(__file__).parents[2]
    for room in ROOMS:
        yield from [root / room] if room.endswith(".py") else (root / room).rglob("*.py")
    yield from (root / "services").rglob("settings.py")


def printed_texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The lines and the texts, without what is filled in, that a program prints or raises as they stand."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in PRINTING | RAISING:
                yield (
                    node.lineno,
                    "".join(str(part.value) for part in ast.walk(node.args[0]) if isinstance(part, ast.Constant)),
                )


def test_no_program_prints_a_sentence_in_english_only() -> None:
    english = [
        f"{file}:{line}: {text}"
        for file in sources()
        for line, text in printed_texts(ast.parse(file.read_text(encoding="utf-8")))
        if in_english_only(text)
    ]
    assert not english, "\n".join(english)
