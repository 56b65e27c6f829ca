"""The contracts keep what they promised: the schemas are those of the code, and old and new understand each other."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from contracts.codec import decode, encode
from contracts.envelope import Document
from contracts.registry import CASE_MESSAGES, DOCUMENTS, REGISTRY, topic_of
from services.intake.app import SERVICE as intake
from services.monitor.app import SERVICE as monitor
from services.routing.app import SERVICE as routing
from services.runtime.kafka.documents import FOLLOWED, TOPIC
from services.runtime.service import Service
from tools import schemas

GOLDEN = Path(__file__).parent / "golden"

Change = Callable[[dict[str, Any]], object]


def committed(name: str) -> Any:
    return json.loads((schemas.FOLDER / name).read_text())


# -- the committed files ----------------------------------------------------------------------------------------------


def test_nothing_promised_is_broken() -> None:
    assert schemas.breaks(committed(schemas.PROMISED), schemas.message_schemas()) == []


def test_the_committed_files_are_those_of_the_code() -> None:
    generated = schemas.documents()
    files = {path.name: path.read_text() for path in schemas.FOLDER.iterdir()}
    stale = [name for name in generated if files.get(name) != schemas.render(generated[name])]
    assert (stale, sorted(files)) == ([], sorted(generated)), "write them anew: make generated"


@pytest.mark.parametrize("message", REGISTRY, ids=lambda message: message.type)
def test_each_schema_is_one(message: type) -> None:
    Draft202012Validator.check_schema(committed(f"{message.type}.json"))  # type: ignore[attr-defined]


@pytest.mark.parametrize("service", [intake, monitor, routing], ids=lambda service: service.name)
def test_services_consume_what_the_registry_lists(service: Service[Any]) -> None:
    consumed = {message for message in CASE_MESSAGES if service.name in REGISTRY[message].consumers}
    assert consumed == set(service.consumes)


def test_every_process_follows_every_document() -> None:
    documents = {message.kind for message in REGISTRY if issubclass(message, Document)}
    assert documents == set(FOLLOWED)
    assert {REGISTRY[message].topic for message in REGISTRY if issubclass(message, Document)} == {TOPIC} == DOCUMENTS


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = schemas.asyncapi()

    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            return [node["$ref"]] if "$ref" in node else [r for part in node.values() for r in references(part)]
        return [r for part in node for r in references(part)] if isinstance(node, list) else []

    found = references(document)
    assert found
    for reference in found:
        if reference.startswith("./"):
            assert (schemas.FOLDER / reference).is_file()
            continue
        node = document
        for name in reference.removeprefix("#/").split("/"):
            node = node[name]
    sent = {r for name, o in document["operations"].items() if o["action"] == "send" for r in references(o["messages"])}
    assert {reference.split("/")[-1] for reference in sent} == {message.type for message in REGISTRY}


# -- golden records: one of each message as it was first written ------------------------------------------------------


def golden() -> list[Any]:
    return [
        pytest.param(path.stem, line.encode(), id=f"{path.stem}-{number}")
        for path in sorted(GOLDEN.glob("*.jsonl"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
    ]


def test_every_message_has_a_golden_record() -> None:
    assert {path.stem for path in GOLDEN.glob("*.jsonl")} == {message.type for message in REGISTRY}


@pytest.mark.parametrize(("name", "record"), golden())
def test_an_old_record_is_read_and_nothing_in_it_is_lost(name: str, record: bytes) -> None:
    old = json.loads(record)
    topic = committed(f"{name}.json")[schemas.TOPIC].format(system=old["data"].get("system"))
    envelope = decode(record, old["subject"].encode(), topic)
    assert topic_of(envelope.data) == topic
    assert_keeps(json.loads(encode(envelope)), old)


@pytest.mark.parametrize(("name", "record"), golden())
def test_an_old_record_is_valid_by_its_schema(name: str, record: bytes) -> None:
    Draft202012Validator(committed(f"{name}.json")).validate(json.loads(record))


def assert_keeps(new: Any, old: Any) -> None:
    """All that stands in the old record stands in the new one; the new one may have more fields."""
    if isinstance(old, dict):
        for name in old:
            assert name in new
            assert_keeps(new[name], old[name])
    elif isinstance(old, list):
        assert len(new) == len(old)
        for later, earlier in zip(new, old, strict=True):
            assert_keeps(later, earlier)
    else:
        assert new == old


# -- planted changes --------------------------------------------------------------------------------------------------

NAME = "onedoor.task.done.v1"


def planted(change: Change) -> list[str]:
    """The faults that `breaks` finds after this change of one schema."""
    old = schemas.message_schemas()
    new = deepcopy(old)
    change(new[NAME])
    return schemas.breaks(old, new)


def data(schema: dict[str, Any]) -> dict[str, Any]:
    return schema["$defs"]["TaskDone"]  # type: ignore[no-any-return]


def field(name: str, **keywords: Any) -> Change:
    return lambda schema: data(schema)["properties"][name].update(keywords)


def added(name: str, keywords: dict[str, Any], *, required: bool = False) -> Change:
    def change(schema: dict[str, Any]) -> None:
        data(schema)["properties"][name] = keywords
        data(schema)["required"] += [name] * required

    return change


def renamed(schema: dict[str, Any]) -> None:
    properties = data(schema)["properties"]
    properties["paper"] = properties.pop("document")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda schema: None, id="none"),
        pytest.param(added("note", {"type": "string", "default": ""}), id="new optional field"),
        pytest.param(
            lambda schema: schema["properties"].update(traceparent={"type": "string", "default": ""}),
            id="new extension attribute",
        ),
        pytest.param(field("step", title="Other", description="Put better.", examples=["x"]), id="descriptions"),
        pytest.param(lambda schema: schema["$defs"].update(Unused={"type": "object"}), id="definition not in use"),
    ],
)
def test_allowed(change: Change) -> None:
    assert planted(change) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda schema: data(schema)["properties"].pop("document"), "data.document: the field is gone"),
        (renamed, "data.document: the field is gone"),
        (added("note", {"type": "string"}, required=True), "data.note: is new and required"),
        (lambda schema: data(schema)["required"].append("document"), "data.document: is required now"),
        (lambda schema: data(schema)["required"].remove("step"), "data.step: may be missing now"),
        (field("reference", type="integer"), 'data.reference: type was "string" and is "integer"'),
        (field("opinion", maxLength=100), "data.opinion: maxLength was 2000 and is 100"),
        (field("opinion", maxLength=9000), "data.opinion: maxLength was 2000 and is 9000"),
        (field("opinion", pattern="^x"), 'data.opinion: pattern was missing and is "^x"'),
        (field("opinion", default="none"), 'data.opinion: default was "" and is "none"'),
        (field("decided_at", format="date"), 'data.decided_at: format was "date-time" and is "date"'),
        (
            lambda schema: data(schema)["properties"]["document"]["anyOf"].pop(),
            "data.document: anyOf was",
        ),
        (
            lambda schema: data(schema)["properties"]["document"]["anyOf"][0].update(maxLength=9),
            "data.document: maxLength was 200 and is 9",
        ),
        (
            lambda schema: schema["$defs"]["Outcome"]["enum"].remove("refused"),
            "data.outcome: the value 'refused' is gone",
        ),
        (
            lambda schema: schema["$defs"]["Outcome"]["enum"].append("lapsed"),
            "data.outcome: the value 'lapsed' is new to old consumers",
        ),
        (lambda schema: schema.update({schemas.TOPIC: "onedoor.tasks"}), f"{NAME}: {schemas.TOPIC} was"),
        (lambda schema: schema["properties"]["type"].update(const="other"), f"{NAME}.type: const was"),
        (lambda schema: data(schema).update(additionalProperties=False), "data: additionalProperties was missing"),
    ],
)
def test_refused(change: Change, fault: str) -> None:
    faults = planted(change)
    assert faults
    assert any(line.startswith((fault, f"{NAME}.{fault}")) for line in faults), faults


def test_a_message_may_be_added_and_not_taken_away() -> None:
    more = schemas.message_schemas()
    fewer = {name: schema for name, schema in more.items() if name != NAME}
    assert schemas.breaks(fewer, more) == []
    assert schemas.breaks(more, fewer) == [f"{NAME}: the message is gone"]


def test_a_change_inside_a_list_and_behind_a_second_reference_is_found() -> None:
    old = schemas.message_schemas()
    new = deepcopy(old)
    limit = new["onedoor.case.accepted.v1"]["$defs"]["Limit"]["properties"]["working_days"]["anyOf"][0]
    limit["maximum"] = 10
    assert schemas.breaks(old, new) == [
        "onedoor.case.accepted.v1.data.plan.limits.committed.working_days: maximum was 3650 and is 10"
    ]


def test_the_promise_does_not_depend_on_descriptions() -> None:
    old = schemas.message_schemas()
    bare = {name: schemas.shape(schema) for name, schema in old.items()}
    assert schemas.breaks(bare, old) == schemas.breaks(old, bare) == []
    assert "description" not in json.dumps(bare)


# -- generating -------------------------------------------------------------------------------------------------------


def test_files_are_not_overwritten_when_a_promise_would_be_broken(tmp_path: Path) -> None:
    promised = {NAME: {**schemas.message_schemas()[NAME], schemas.TOPIC: "onedoor.elsewhere"}}
    (tmp_path / schemas.PROMISED).write_text(json.dumps(promised))
    with pytest.raises(schemas.Breaking, match=r"onedoor\.elsewhere"):
        schemas.write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [schemas.PROMISED]


def test_files_are_not_written_where_nothing_was_promised(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        schemas.write(tmp_path)
    (tmp_path / schemas.PROMISED).write_text("{}")
    schemas.write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(schemas.documents())
