"""The catalogue: loading, the faults of one, and the plans made from it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from contracts.messages.plans import Limit, Limits
from services.intake.catalogue.load import SAMPLE, load_catalogue, sample_catalogue
from services.intake.core.catalogue.plans import Matter, plan_for, required_materials
from services.runtime.files.encoding import InvalidFile
from tools.catalogue_schema import SCHEMA, schema_text


def faults(tmp_path: Path, content: Any) -> list[str]:
    """The faults of a catalogue with this content, in English and without their lines."""
    file = tmp_path / "own.yaml"
    if isinstance(content, str):
        file.write_text(content, "utf-8")
    else:
        YAML(typ="safe").dump(content, file)
    with pytest.raises(InvalidFile) as caught:
        load_catalogue(file)
    found = [fault.split(" / ") for fault in str(caught.value).splitlines()]
    assert not any(chinese.isascii() for _, chinese in found)
    return [re.sub(r"line \d+: ", "", english) for english, _ in found]


def content() -> Any:
    return YAML(typ="safe").load(SAMPLE)


def test_the_schema_is_up_to_date() -> None:
    assert SCHEMA.read_text("utf-8") == schema_text(), "write it anew: make generated"


def test_the_sample_matches_the_schema() -> None:
    schema = json.loads(SCHEMA.read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(content())


def test_the_sample_has_three_bundles_of_three_departments() -> None:
    catalogue = sample_catalogue()
    assert [bundle.code for bundle in catalogue.bundles] == [
        "start-business",
        "transfer-property",
        "investment-project",
    ]
    assert {department.system for department in catalogue.departments} == {"commerce", "tax", "land"}
    matters: tuple[Matter, ...] = (*catalogue.bundles, *catalogue.items)
    for matter in matters:
        assert plan_for(catalogue, matter).matter == matter.code


def test_the_plan_of_a_bundle_is_complete() -> None:
    catalogue = sample_catalogue()
    plan = plan_for(catalogue, catalogue.bundles[0])
    assert plan.matter_name == "Starting a business (开办企业)"
    assert plan.lead_department == "Commerce (市场监管局)"
    assert plan.limits == Limits(committed=Limit(working_days=3), statutory=Limit(working_days=20))
    assert {step.step: step.after for step in plan.steps} == {
        "licence": (),
        "premises": (),
        "tax-registration": ("licence",),
        "invoices": ("licence",),
    }
    assert {step.system for step in plan.steps} == {"commerce", "tax", "land"}


def test_the_plan_of_a_single_item_has_one_step() -> None:
    catalogue = sample_catalogue()
    item = next(item for item in catalogue.items if item.code == "transfer-registration")
    plan = plan_for(catalogue, item)
    (step,) = plan.steps
    assert (step.step, step.item, step.after, step.limits) == (item.code, item.code, (), plan.limits)
    assert step.fees[0].amount_fen == 8000


def test_a_bundle_requires_each_material_once_and_none_that_it_produces() -> None:
    catalogue = sample_catalogue()
    transfer = catalogue.bundles[1]
    assert [m.code for m in required_materials(catalogue, transfer)] == [
        "identity",
        "sale-contract",
        "title-certificate",
    ]
    alone = next(item for item in catalogue.items if item.code == "transfer-registration")
    assert "tax-clearance" in [m.code for m in required_materials(catalogue, alone)]


def test_faults_of_form_are_reported_with_file_entry_and_field(tmp_path: Path) -> None:
    wrong = content()
    del wrong["items"][0]["legal_basis"]
    wrong["items"][1]["limits"]["committed"] = -1
    wrong["bundles"][0]["steps"][0]["wait"] = 3
    assert faults(tmp_path, wrong) == [
        "own.yaml: items[company-registration].legal_basis: is missing",
        "own.yaml: items[tax-registration].limits.committed: must be 0 or more",
        "own.yaml: bundles[start-business].steps[licence].wait: there is no such field; there are step, item, after",
    ]


def test_a_name_is_on_one_line_and_not_blank(tmp_path: Path) -> None:
    named = content()
    named["items"][0]["name"] = {"zh": " 设立登记\u3000\n", "en": "Company\u200b  registration"}
    file = tmp_path / "named.yaml"
    YAML(typ="safe").dump(named, file)
    assert load_catalogue(file).items[0].name.both == "Company registration (设立登记)"
    named["items"][0]["name"]["zh"] = "\u3164"
    assert faults(tmp_path, named) == ["own.yaml: items[company-registration].name.zh: has no visible character"]


def test_faults_of_meaning_are_reported_with_file_entry_and_field(tmp_path: Path) -> None:
    wrong = content()
    wrong["departments"].append(wrong["departments"][0])
    wrong["materials"].append(wrong["materials"][0])
    wrong["items"][0] |= {"department": "none", "materials": ["identity", "identity", "none"], "produces": "nothing"}
    wrong["items"][1]["limits"] = {"committed": 9, "statutory": 8}
    wrong["items"][2]["kind"] = "filing"
    wrong["bundles"][0] |= {"lead": "none", "code": "company-registration"}
    wrong["bundles"][0]["steps"][1] |= {"item": "none", "after": ["none"]}
    wrong["bundles"][1]["steps"][2] |= {"step": "title"}
    found = faults(tmp_path, wrong)
    for expected in [
        "departments[commerce]: the code is used twice; change one",
        "materials[identity]: the code is used twice; change one",
        "bundles[company-registration]: the code is used twice; change one",
        "items[company-registration].department: there is no department none",
        "items[company-registration].materials[none]: there is no material none",
        "items[company-registration].materials[identity]: the code is used twice; change one",
        "items[company-registration].produces: there is no material nothing",
        "items[tax-registration].limits.committed: longer than the statutory limit of 8 working days",
        "items[invoice-approval].limits.committed: a filing must be completed on the spot, within 0 working days",
        "bundles[company-registration].lead: there is no department none",
        "bundles[company-registration].steps[premises].item: there is no item none",
        "bundles[company-registration].steps[premises].after: there is no step none",
        "bundles[company-registration].steps[tax-registration].item: its committed limit of 9 working days is longer "
        "than the bundle's 3",
        "bundles[transfer-property].steps[title]: the code is used twice; change one",
    ]:
        assert f"own.yaml: {expected}" in found


def test_steps_that_wait_for_each_other_are_a_fault(tmp_path: Path) -> None:
    wrong = content()
    wrong["bundles"][1]["steps"][0]["after"] = ["registration"]
    assert faults(tmp_path, wrong) == [
        "own.yaml: bundles[transfer-property].steps: these can never start, each waiting for another: "
        "registration, taxes"
    ]


def test_a_step_that_starts_before_its_material_is_produced_is_a_fault(tmp_path: Path) -> None:
    wrong = content()
    wrong["bundles"][0]["steps"][3]["after"] = []
    assert faults(tmp_path, wrong) == [
        "own.yaml: bundles[start-business].steps[invoices].after: the step needs business-licence, which step "
        "licence produces, and must come after it"
    ]


@pytest.mark.parametrize("text", ["items: [", "just words", "", "- 1"])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    (fault,) = faults(tmp_path, text)
    assert fault.startswith("own.yaml: ")


def test_faults_are_reported_with_their_line(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    text = SAMPLE.read_text("utf-8")
    file.write_text(text.replace("lead: commerce", "lead: nobody", 1), "utf-8")
    line = text[: text.index("lead: commerce")].count("\n") + 1
    with pytest.raises(InvalidFile, match=rf"^own.yaml: line {line}: bundles\[start-business\].lead: "):
        load_catalogue(file)
    file.write_text(text.replace("lead: commerce", "leader: commerce", 1), "utf-8")
    with pytest.raises(InvalidFile, match=rf"own.yaml: line {line}: bundles\[start-business\].leader: "):
        load_catalogue(file)
