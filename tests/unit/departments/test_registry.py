"""Installed departments: their declarations hold, and a wrong one is named."""

from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from services import registry
from services.departments.sandbox.settings import SandboxSettings
from services.departments.sdk.declaration import GROUP, module_of, resolve
from services.load import load

SHIPPED = ("commerce", "land", "recorded", "tax")


class Site:
    """A local site without files."""

    host = "127.0.0.1"

    def port(self, name: str) -> int:
        return 4711

    def secret(self, name: str) -> str:
        return "a secret of the tests"

    def ssh_key(self, name: str) -> Path:
        return Path("/keys") / name

    def folder(self, name: str) -> Path:
        return Path("/folders") / name

    def database_url(self, name: str) -> str:
        return f"postgresql+asyncpg://nobody@127.0.0.1/{name}"


def test_the_shipped_departments_are_installed_and_replay_is_not_a_default() -> None:
    assert set(SHIPPED) <= set(registry.departments())
    assert "recorded" not in registry.default_systems()
    assert {"commerce", "land", "tax"} <= set(registry.default_systems()) & set(registry.sandboxes())
    assert registry.services() == (*registry.CORE_SERVICES, *registry.departments())


@pytest.mark.parametrize("system", SHIPPED)
def test_a_declaration_names_what_there_is(system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    declared = registry.department(system)
    assert load(system).name == system
    assert callable(resolve(declared.adapter))
    settings: list[tuple[type[BaseSettings], dict[str, str]]] = [
        (resolve(declared.settings), dict(declared.environment(Site())))
    ]
    if declared.sandbox is not None and declared.ledger is not None:
        assert callable(resolve(declared.sandbox.running))
        own = {"ONEDOOR_SANDBOX_DATABASE": Site().database_url(declared.ledger.database)}
        settings.append((resolve(declared.sandbox.settings), own | dict(declared.sandbox.environment(Site()))))
        assert issubclass(settings[1][0], SandboxSettings)
    if declared.ledger is not None:
        assert "task_id" in resolve(declared.ledger.query)
    for kind, environment in settings:
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            assert set(environment) <= {
                f"{kind.model_config.get('env_prefix')}{name}".upper() for name in kind.model_fields
            }
            kind()


@pytest.fixture
def entries(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[EntryPoint]]:
    """The entry points of departments, as a test has them."""
    found: list[EntryPoint] = []
    monkeypatch.setattr(registry, "entry_points", lambda group: found)
    registry.refresh()
    yield found
    monkeypatch.undo()
    registry.refresh()


def entry(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, GROUP)


TAX = "services.departments.tax.department:DEPARTMENT"


def test_no_department_at_all_is_an_error_that_names_the_way_out(entries: list[EntryPoint]) -> None:
    with pytest.raises(registry.DepartmentError, match="make test-tools"):
        registry.departments()


def test_a_department_that_is_not_installed_is_named(entries: list[EntryPoint]) -> None:
    entries.append(entry("tax", TAX))
    with pytest.raises(registry.DepartmentError, match="no department 'water' is installed; there are: tax"):
        registry.department("water")


@pytest.mark.parametrize("name", ["tax", "intake"])
def test_two_services_of_one_name_are_refused(entries: list[EntryPoint], name: str) -> None:
    entries += [entry("tax", TAX), entry(name, "elsewhere:DEPARTMENT")]
    with pytest.raises(registry.DepartmentError, match=f"two packages declare the service '{name}'"):
        registry.departments()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("services.nowhere:DEPARTMENT", "cannot be imported: No module named"),
        ("services.departments.tax.department:NOTHING", "cannot be imported: .*NOTHING"),
        ("services.departments.tax.department:Department", "is not the declaration of that system"),
        ("services.departments.land.department:DEPARTMENT", "is not the declaration of that system"),
    ],
)
def test_an_entry_point_that_leads_elsewhere_is_named(entries: list[EntryPoint], value: str, expected: str) -> None:
    entries.append(entry("tax", value))
    with pytest.raises(registry.DepartmentError, match=expected):
        registry.department("tax")


def test_a_reference_names_a_module_and_an_object() -> None:
    assert (module_of(TAX), resolve(TAX)) == ("services.departments.tax.department", registry.department("tax"))
