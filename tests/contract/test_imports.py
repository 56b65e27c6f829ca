"""The import graph has no cycles. The layers stand in pyproject.toml and are checked by import-linter."""

import grimp

PACKAGES = ("contracts", "services", "onedoor", "deploy", "tools")


def test_no_module_imports_itself_through_others() -> None:
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert _in_cycles(imports) == set()


def test_a_cycle_is_found() -> None:
    assert _in_cycles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"b"}}) == {"b", "c"}
    assert _in_cycles({"a": {"a"}, "b": {"a"}}) == {"a"}


def _in_cycles(imports: dict[str, set[str]]) -> set[str]:
    """The modules on cycles, and those on a way from one cycle to another."""
    left = set(imports)
    while True:
        imported = {name for module in left for name in imports[module]} & left
        importing = {module for module in left if imports[module] & left}
        if imported & importing == left:
            return left
        left = imported & importing
