"""The packages: which may import which, and that each module has a docstring."""

import ast
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGE = "music_vae_tf"
# What each module or subpackage of the package may import. Each has a line here.
MAY_IMPORT = {
    "batch": set(),
    "folders": set(),
    "wording": set(),
    "safe_yaml": set(),
    "raw_ops": {"quiet"},
    "errors": set(),
    "json_files": set(),
    "machine": set(),
    "old_names": set(),
    "quiet": set(),
    "notebook": {"rendering"},
    "config": {"kinds", "safe_yaml"},  # the sections of each kind of model
    "losses": set(),
    "schedules": set(),
    "cluster": set(),
    "strategies": {"cluster"},
    "rendering": set(),
    "analysis": set(),
    "checkpoint": {"quiet", "data"},  # whole files
    "data": {"batch", "machine", "safe_yaml"},
    "models": {"batch", "losses", "machine", "quiet"},
    "kinds": {"config", "data", "models", "schedules", "batch", "losses"},
    "build": {"kinds", "config", "data", "models", "schedules", "batch", "losses"},
    "run_directory": {"kinds", "config", "checkpoint", "data"},  # whole files
    "run_lock": set(),
    "training": {
        *("build", "config", "batch", "losses", "schedules", "checkpoint", "data"),
        *("models", "strategies"),  # one training step is a model's
        *("run_directory", "run_lock", "quiet", "folders", "kinds"),
        "generation",  # a training's result loads the trained model
        "pretrained",  # weights that a training starts from
    },
    "pretrained": {"config", "checkpoint", "run_directory"},
    "generation": {
        "pretrained",
        *("build", "config", "data", "batch", "checkpoint", "quiet"),
        "analysis",  # windows and tasks that models are measured on
        "models",  # keys of random numbers
        "losses",  # masks of steps
        "run_directory",  # the config of a training
    },
    "serve": {
        *("pretrained", "generation", "data", "rendering", "build"),
        "analysis",  # principal components
    },
    "export": {
        *("build", "config", "data", "models", "checkpoint", "generation"),
        "run_directory",
    },
}
FOR_ALL = {
    "__version__",
    "errors",
    "json_files",
    "machine",
    "old_names",
    "wording",
    "raw_ops",
}
ANYTHING = {"commands", "magenta_api"}
# Packages whose public functions all have types.
ANNOTATED = ("checkpoint", "export", "generation", "models", "training")
MOST_LINES = 400  # of a file
NO_TENSORFLOW = {"batch", "config", "data/converters", "rendering", "run_directory"}


def source_files():
    for folder in (PACKAGE,):
        yield from sorted((REPOSITORY / folder).rglob("*.py"))


def module_path(file: Path) -> tuple[str, ...]:
    """`('data', 'converters', 'groove')`, as below the package once it is installed."""
    parts = file.relative_to(REPOSITORY).with_suffix("").parts
    parts = parts[1:] if parts[0] == PACKAGE else parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def imported_names(file: Path, *, at_import=False):
    """Dotted names of all that a file imports, or of what it does when imported."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in tree.body if at_import else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def packages_imported_by(file: Path) -> set[str]:
    """Packages other than its own; all may import errors and old names."""
    names = [name.split(".") for name in imported_names(file)]
    packages = {name[1] for name in names if name[0] == PACKAGE and len(name) > 1}
    return packages - set(module_path(file)[:1]) - FOR_ALL


@pytest.mark.parametrize(
    "file", source_files(), ids=lambda file: "/".join(module_path(file))
)
def test_a_module_imports_only_what_its_package_may_import(file):
    package = module_path(file)[0] if module_path(file) else "__init__"
    if package in ANYTHING:
        assert package == "commands" or "commands" not in packages_imported_by(file)
        return
    assert packages_imported_by(file) <= MAY_IMPORT.get(package, set())


def test_test_files_have_different_names():
    """pytest imports them by their names alone."""
    names = [file.name for file in (REPOSITORY / "tests").rglob("test_*.py")]
    assert len(names) == len(set(names))


def test_every_package_is_in_the_table():
    packages = {module_path(file)[0] for file in source_files() if module_path(file)}
    assert packages - ANYTHING <= set(MAY_IMPORT)


@pytest.mark.parametrize(
    "file", source_files(), ids=lambda file: "/".join(module_path(file))
)
def test_a_module_describes_itself_in_its_first_line(file):
    first = file.read_text(encoding="utf-8").split("\n", 1)[0]
    assert first.startswith('"""'), "it has no docstring"
    assert len(first) > 20
    sentence = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    assert sentence.split("\n\n")[0].rstrip().endswith((".", ":", ")")), sentence


@pytest.mark.parametrize(
    "file", source_files(), ids=lambda file: "/".join(module_path(file))
)
def test_public_functions_and_classes_have_docstrings(file):
    """Overrides that add nothing, nested functions and properties may go without."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    undocumented = [
        node.name
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
        and not node.name.startswith("_")
        and node.name != "main"
        and not ast.get_docstring(node)
    ]
    assert not undocumented


def unannotated(function: ast.FunctionDef, *, is_method: bool) -> list[str]:
    """Arguments without a type, and `return` without one; self and cls need none."""
    decorators = {node.id for node in function.decorator_list if hasattr(node, "id")}
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args]
    if is_method and "staticmethod" not in decorators:
        named = named[1:]
    named += [*arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    missing = [one.arg for one in named if one is not None and one.annotation is None]
    returns_nothing = function.name == "__init__"
    return missing + ["return"] * (function.returns is None and not returns_nothing)


def public_functions(tree: ast.Module | ast.ClassDef, prefix: str = ""):
    """(name, function, whether it is a method) of all public ones, `__init__` too."""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if not node.name.startswith("_") or node.name == "__init__":
                yield f"{prefix}{node.name}", node, isinstance(tree, ast.ClassDef)
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public_functions(node, f"{prefix}{node.name}.")


def untyped(source: str) -> list[str]:
    """`name: what has no type` of the public functions of a module."""
    found = (
        (name, unannotated(function, is_method=is_method))
        for name, function, is_method in public_functions(ast.parse(source))
    )
    return [f"{name}: {', '.join(missing)}" for name, missing in found if missing]


@pytest.mark.parametrize("package", ANNOTATED)
def test_public_functions_have_types(package):
    for file in sorted((REPOSITORY / PACKAGE / package).rglob("*.py")):
        assert not untyped(file.read_text(encoding="utf-8")), file


def test_a_function_without_types_is_found():
    source = "class A:\n  def of(self, x: int, *y) -> int: ...\ndef f(): ...\n"
    assert untyped(source) == ["A.of: y", "f: return"]


def test_no_file_is_longer_than_400_lines():
    lengths = {
        file: len(file.read_text(encoding="utf-8").splitlines())
        for file in source_files()
    }
    assert not {file for file, length in lengths.items() if length > MOST_LINES}


@pytest.mark.parametrize("package", sorted(NO_TENSORFLOW))
def test_tensorflow_is_not_imported_where_it_is_not_needed(package):
    path = REPOSITORY / PACKAGE / package
    files = path.rglob("*.py") if path.is_dir() else [path.with_suffix(".py")]
    for file in files:
        heavy = {name.split(".")[0] for name in imported_names(file, at_import=True)}
        assert not heavy & {"tensorflow", "keras", "tensorflow_probability"}, file


def test_the_package_itself_imports_nothing_heavy():
    init = REPOSITORY / PACKAGE / "__init__.py"
    assert set(imported_names(init, at_import=True)) == {"importlib"}


def test_rendering_needs_no_tensorflow_at_all():
    for file in (REPOSITORY / PACKAGE / "rendering").rglob("*.py"):
        assert "tensorflow" not in {n.split(".")[0] for n in imported_names(file)}


def test_the_table_names_existing_packages_only():
    existing = {module_path(file)[0] for file in source_files() if module_path(file)}
    assert set(MAY_IMPORT) <= existing


def test_there_is_one_logger():
    """Whoever uses the library sets the level of one name."""
    for file in source_files():
        text = file.read_text(encoding="utf-8")
        assert "from absl import logging" not in text, file
        assert "getLogger(__name__)" not in text, file
