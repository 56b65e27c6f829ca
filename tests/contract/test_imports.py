"""The import graph has no cycles. The layers stand in pyproject.toml and are checked by import-linter."""

import grimp
import pytest

from services import registry
from tests.support.installation import modules_behind_adapter
from tools.import_rules import OnlyContract

PACKAGES = ("contracts", "services", "onedoor", "deploy", "tools")


def test_no_module_imports_itself_through_others() -> None:
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert _in_cycles(imports) == set()


def test_a_cycle_is_found() -> None:
    assert _in_cycles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"b"}}) == {"b", "c"}
    assert _in_cycles({"a": {"a"}, "b": {"a"}}) == {"a"}


@pytest.mark.parametrize(
    ("imported", "is_kept"),
    [
        ("contracts.values", True),
        ("services.one.core.state", True),
        ("datetime", True),
        ("services.one.store", False),
        ("services.other.core", False),
        ("services.registry", False),
        ("asyncio", False),
        ("datetimes", False),
    ],
)
def test_a_core_imports_what_is_allowed_and_nothing_else(imported: str, is_kept: bool) -> None:
    rule = OnlyContract("cores", {}, {"rooms": ["services.**.core"], "may_import": ["contracts", "datetime"]})
    graph = grimp.ImportGraph()
    for module in ("services", "services.one", "services.one.core", "services.one.core.handle", imported):
        graph.add_module(module)
    graph.add_import(importer="services.one.core.handle", imported=imported)
    assert rule.check(graph, verbose=False).kept == is_kept


@pytest.mark.parametrize("system", registry.sandboxes())
def test_a_process_that_serves_an_adapter_imports_nothing_of_a_sandbox(system: str) -> None:
    modules = modules_behind_adapter(system)
    assert f"services.departments.{system}.adapter" in modules
    assert {module for module in modules if "sandbox" in module} == set()


def _in_cycles(imports: dict[str, set[str]]) -> set[str]:
    """The modules on cycles, and those on a way from one cycle to another."""
    left = set(imports)
    while True:
        imported = {name for module in left for name in imports[module]} & left
        importing = {module for module in left if imports[module] & left}
        if imported & importing == left:
            return left
        left = imported & importing
