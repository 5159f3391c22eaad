"""The shape of the house: imports run leftward, rooms stay small, names are documented."""

from __future__ import annotations

import ast
import builtins
import functools
import importlib
import inspect
import re
import tokenize
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import pytest

import reverie

T = TypeVar("T")
ROOT = Path(reverie.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
ORDER = (
    {"errors", "version", "choices", "untrusted", "client"},
    {"files"},
    {"pictures"},
    {"clips"},
    {"motion"},
    {"canvas", "views", "networks", "optimisers", "styles"},
    {"objectives"},
    {"engine"},
    {"feedforward", "finding", "insight"},
    {"crafts"},
    {"recipes"},
    {"jobs", "export"},
    {"queue"},
    {"studio"},
    {"cli"},
)
ROOMS = sorted(room for row in ORDER for room in row if (ROOT / room / "__init__.py").exists())
MOST_LINES, LONG, MOST_STATEMENTS = 400, 40, 60
SCREENS = {"cli", "studio"}


def each(things: Mapping[str, T]) -> Callable[[Callable[[T], None]], Callable[[], None]]:
    """Make one test of a check of many things, which names those that fail: a test for each takes much longer."""

    def test_of(check: Callable[[T], None]) -> Callable[[], None]:
        def test() -> None:
            failed = {}
            for name, thing in things.items():
                try:
                    check(thing)
                except AssertionError as error:
                    failed[name] = str(error)
            assert not failed, "\n".join(f"{name}: {reason}" for name, reason in failed.items())

        test.__name__, test.__doc__ = check.__name__, check.__doc__
        return test

    return test_of


pytestmark = pytest.mark.xdist_group("architecture")  # one worker reads all files, and only once
each_file = each({path.relative_to(ROOT).as_posix(): path for path in FILES})


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf8"))


@functools.cache
def imported(path: Path) -> set[str]:
    """The dotted names a file imports, relative ones made absolute."""
    names: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = ["reverie", *path.relative_to(ROOT).parent.parts]
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            names |= {f"{stem}.{alias.name}" for alias in node.names}
    return names


def rank(room: str) -> int:
    return next((i for i, row in enumerate(ORDER) if room in row), -1)


def test_every_room_has_its_place() -> None:
    known = {room for row in ORDER for room in row}
    found = {room_of(p) for p in FILES} - {"__init__", "__main__"}
    assert found <= known, f"say where {sorted(found - known)} stand in the order of imports"


@each_file
def test_imports_run_leftward(path: Path) -> None:
    mine = room_of(path)
    if mine in ("__init__", "__main__"):
        return
    for name in imported(path):
        parts = name.split(".")
        if parts[0] != "reverie":
            continue
        its = parts[1] if len(parts) > 1 else ""
        assert its, f"{path.name} imports the whole package; name the room"
        allowed = its in (mine, "errors") or rank(its) < rank(mine)
        assert allowed or (its.startswith("__") and mine in SCREENS), f"{mine} may not import {its}"


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(("reverie", *(part for part in parts if part != "__init__")))


MODULES = {dotted(path): path for path in FILES}


def needed(path: Path) -> set[str]:
    """The modules of ours that a file imports as soon as it is imported itself, and those around them."""
    nodes = [n for n in tree_of(path).body if not (isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test))]
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            within = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in within}
    return {name for name in found if name in MODULES} - {dotted(path)}


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Modules of which each needs the next, and the last the first; none where there is no such circle."""
    done: set[str] = set()

    def found(name: str, above: tuple[str, ...]) -> list[str]:
        if name in above:
            return [*above[above.index(name) :], name]
        if name in done:
            return []
        way = next(filter(None, (found(each, (*above, name)) for each in sorted(graph.get(name, ())))), [])
        done.add(name)
        return way

    return next(filter(None, (found(name, ()) for name in sorted(graph))), [])


def test_no_module_needs_itself() -> None:
    assert circle({dotted(path): needed(path) for path in FILES}) == []


@pytest.mark.parametrize(
    ("graph", "wanted"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b", "c"}, "b": {"c"}, "c": {"b"}}, ["b", "c", "b"]),
        ({"a": {"b"}, "b": {"a"}}, ["a", "b", "a"]),
    ],
)
def test_a_circle_is_recognised(graph: dict[str, set[str]], wanted: list[str]) -> None:
    assert circle(graph) == wanted


def literals(tree: ast.Module) -> set[tuple[int, str]]:
    """Line and value of every text constant that is no docstring, no annotation and in no `Literal`."""
    apart: set[int] = set()
    for node in ast.walk(tree):
        annotation = getattr(node, "annotation", None) or getattr(node, "returns", None)
        inner = node.slice if isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("Literal") else None
        for part in (annotation, inner):
            apart |= {id(each) for each in ast.walk(part)} if isinstance(part, ast.AST) else set()
        if isinstance(node, ast.Expr):
            apart.add(id(node.value))
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in apart)
    return {(node.lineno, node.value) for node in constants if isinstance(node.value, str)}


OTHERWISE = {
    ("cli/networks.py", "style"),  # columns of a table: what custom networks are, and what a layer is for
    ("cli/networks.py", "dream"),
    ("crafts/settings.py", "upscale"),  # a setting
    ("recipes/parts/starts.py", "instant"),  # what a painting begins with
    ("recipes/style.py", "instant"),
    ("recipes/find.py", "style"),  # what pictures are compared by
    ("recipes/train_style.py", "style"),  # a term of the objective
    ("crafts/registry.py", "export"),  # a room that holds a craft
}
"""Words that are a craft's name too, and mean something else."""


def test_no_crafts_name_stands_outside_its_file() -> None:
    """All that a craft is derives from its declaration: nowhere is it asked which one it is."""
    from reverie.crafts.registry import listings

    found = set()
    for path in FILES:
        place = path.relative_to(ROOT).as_posix()
        if room_of(path) in ("cli", "jobs", "crafts", "recipes") and place != "recipes/__init__.py":  # which lists them
            own = {path.stem.replace("_", " ")} if path.parent.name == "recipes" else set()
            words = {text for _, text in literals(tree_of(path))}
            found |= {(place, word) for word in words & set(listings()) - own}
    assert found == OTHERWISE


@each_file
def test_torchvision_is_never_imported(path: Path) -> None:
    assert not any(name.split(".")[0] == "torchvision" for name in imported(path))


@each_file
def test_files_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf8").splitlines()) <= MOST_LINES


def functions(path: Path) -> dict[str, int]:
    """The lines of each function, its docstring not counted."""
    lengths = {}
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            described = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
            text = (first.end_lineno or 0) - first.lineno + 1 if described else 0
            lengths[f"{path.stem}.{node.name}"] = (node.end_lineno or 0) - node.lineno + 1 - text
    return lengths


@each_file
def test_functions_are_short(path: Path) -> None:
    assert [n for n, lines in functions(path).items() if lines > MOST_STATEMENTS] == []


def test_long_functions_are_listed() -> None:
    """Those over forty lines want a second look; they are shown, not refused."""
    long = {n: lines for path in FILES for n, lines in functions(path).items() if lines > LONG}
    if long:
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            warnings.warn(f"functions over {LONG} lines: {long}", stacklevel=1)
    assert all(lines <= MOST_STATEMENTS for lines in long.values())


@each_file
def test_files_have_names_of_their_own(path: Path) -> None:
    names = {part.removesuffix(".py") for part in path.relative_to(ROOT).parts}
    assert not names & {"utils", "util", "helpers", "helper", "manager", "misc", "common"}


@each_file
def test_nothing_is_asserted(path: Path) -> None:
    lines = [n.lineno for n in ast.walk(tree_of(path)) if isinstance(n, ast.Assert)]
    assert lines == [], "a user's mistake is an error of reverie.errors"


@each_file
def test_nothing_is_printed(path: Path) -> None:
    if room_of(path) in SCREENS:
        return
    calls = [n for n in ast.walk(tree_of(path)) if isinstance(n, ast.Call)]
    named = [n.lineno for n in calls if isinstance(n.func, ast.Name) and n.func.id == "print"]
    assert named == []


@each_file
def test_no_absolute_paths(path: Path) -> None:
    """In strings and comments: nothing of the machine it was written on."""
    place = re.compile(r"(?<![\w.:/<~])/(work|home|root|tmp|usr|var|opt|mnt|Users)(/|\b)|[A-Z]:\\\\")
    with path.open("rb") as file:
        tokens = list(tokenize.tokenize(file.readline))
    wordy = [t for t in tokens if t.type in (tokenize.STRING, tokenize.COMMENT)]
    assert [t.start for t in wordy if place.search(t.string)] == []


@each_file
def test_global_randomness_is_never_used(path: Path) -> None:
    """torch.manual_seed, and draws without a generator, belong to nobody."""
    drawing = {"rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial"}
    bad = []
    for node in ast.walk(tree_of(path)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
        seeded = any(k.arg == "generator" for k in node.keywords)
        drawn = owner == "torch" and node.func.attr in drawing and not seeded
        if drawn or (owner == "torch" and node.func.attr in ("manual_seed", "seed")) or owner == "random":
            bad.append(node.lineno)
    assert bad == []


@each_file
def test_files_say_what_they_are(path: Path) -> None:
    text = path.read_text(encoding="utf8")
    assert not text.strip() or ast.get_docstring(tree_of(path))


WRITING = {
    *("unlink", "rmdir", "rename", "renames", "mkdir", "makedirs", "touch", "symlink_to", "hardlink_to", "chmod"),
    *("write_bytes", "write_text", "truncate", "tofile", "memmap", "save_file", "rmtree", "removedirs"),
}
WRITING_MODULES = {"tempfile", "mmap", "msvcrt", "fcntl"}
READING_SHUTIL = {"copyfileobj", "disk_usage", "get_terminal_size", "which"}


def writes(node: ast.Call) -> bool:
    """Whether a call may write, make, rename or remove something on a disk."""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    owner = getattr(node.func.value, "id", "") if isinstance(node.func, ast.Attribute) else ""
    if owner == "shutil":
        return name not in READING_SHUTIL
    if owner == "os":
        return name in {*WRITING, "open", "fdopen", "remove", "replace", "link", "symlink"}
    if owner in ("np", "numpy", "torch") and name in ("save", "savez", "savetxt", "from_file"):
        return True
    if name == "replace":  # of a path: text has two arguments, and dataclasses.replace keywords
        return isinstance(node.func, ast.Attribute) and len(node.args) == 1 and not node.keywords
    if name in ("open", "fdopen") and owner not in ("Image", "tarfile", "cluster", "av"):  # PyAV gets open files only
        place = 0 if isinstance(node.func, ast.Attribute) else 1
        modes = [*node.args[place : place + 1], *(k.value for k in node.keywords if k.arg == "mode")]
        return any(not isinstance(m, ast.Constant) or set(str(m.value)) & set("wax+") for m in modes)
    return isinstance(node.func, ast.Attribute) and name in WRITING


@each_file
def test_only_one_room_writes(path: Path) -> None:
    """`files` alone writes, makes, renames and removes: there nothing of a user's own is lost."""
    if room_of(path) == "files":
        return
    modules = {name.split(".")[0] for name in imported(path)}
    assert not WRITING_MODULES & modules
    assert not {name for name in imported(path) if name.startswith(("os.", "shutil."))}, "import the whole module"
    calls = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)]
    assert [node.lineno for node in calls if writes(node)] == []


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        *((text, True) for text in ("p.unlink()", "open(p, 'w')", "p.open('ab')", "open(p, mode=m)", "p.replace(q)")),
        *((text, True) for text in ("shutil.rmtree(p)", "os.remove(p)", "p.write_text('')", "torch.save(x, p)")),
        *((text, False) for text in ("open(p)", "p.open('rb')", "t.replace('a', 'b')", "replace(x, y=1)")),
        *((text, False) for text in ("shutil.which('npm')", "Image.open(p)", "p.read_bytes()")),
    ],
)
def test_what_writes_is_recognised(text: str, wanted: bool) -> None:
    (node,) = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    assert writes(node) is wanted


# --- public names --------------------------------------------------------------------------------


def test_all_is_sorted_and_importable() -> None:
    names: list[str] = vars(reverie)["__all__"]
    shouting = [n for n in names if n.isupper()]
    classes = [n for n in names if n[0].isupper() and not n.isupper()]
    rest = [n for n in names if not n[0].isupper()]
    assert names == [*sorted(shouting), *sorted(classes), *sorted(rest)]
    assert len(set(names)) == len(names)
    for name in names:
        assert getattr(reverie, name) is not None
    namespace: dict[str, object] = {}
    exec("from reverie import *", namespace)
    assert set(names) <= set(namespace)


def modules() -> list[ModuleType]:
    return [reverie, *(importlib.import_module(f"reverie.{room}") for room in ROOMS)]


@each({module.__name__: module for module in modules()})
def test_public_names_are_there(module: ModuleType) -> None:
    assert module.__doc__
    for name in getattr(module, "__all__", ()):
        assert hasattr(module, name)


@functools.cache
def exported() -> dict[str, object]:
    """Every function and class that a room exports, by its dotted name."""
    found: dict[str, object] = {}
    for module in modules():
        for name in getattr(module, "__all__", ()):
            thing = getattr(module, name)
            if inspect.isfunction(thing) or inspect.isclass(thing):
                found[f"{module.__name__}.{name}"] = thing
    return found


def described(thing: object) -> bool:
    """Whether there is a docstring that somebody wrote."""
    text = inspect.getdoc(thing) or ""
    generated = inspect.isclass(thing) and text.startswith(f"{thing.__name__}(")
    return bool(text.strip()) and not generated


@each({name: name for name in sorted(exported())})
def test_public_names_are_documented(name: str) -> None:
    thing = exported()[name]
    assert described(thing)
    if not inspect.isclass(thing) or not thing.__module__.startswith("reverie"):
        return
    for member, value in vars(thing).items():
        if member.startswith("_") or member == "model_config":
            continue
        value = value.__func__ if isinstance(value, staticmethod | classmethod) else value
        if inspect.isfunction(value) or isinstance(value, property):
            assert described(getattr(thing, member, value)), f"{name}.{member}"


@each({name: name for name in sorted(exported())})
def test_docstrings_begin_with_one_line(name: str) -> None:
    first, *rest = (inspect.getdoc(exported()[name]) or "").split("\n")
    assert first.strip(), "a docstring is missing"
    assert not rest or not rest[0].strip(), "one line, then a blank one"


@each({name: name for name in sorted(exported())})
def test_no_names_without_bounds_are_passed_through(name: str) -> None:
    thing = exported()[name]
    if inspect.isfunction(thing):
        kinds = {p.kind for p in inspect.signature(thing).parameters.values()}
        assert inspect.Parameter.VAR_KEYWORD not in kinds


def test_errors_are_one_tree() -> None:
    from reverie import errors

    classes = [c for c in vars(errors).values() if inspect.isclass(c) and issubclass(c, Exception)]
    assert all(issubclass(c, errors.ReverieError | errors.ReverieWarning) for c in classes)
    assert all(c.__doc__ for c in classes)


def raised(path: Path) -> set[str]:
    raises = [n.exc for n in ast.walk(tree_of(path)) if isinstance(n, ast.Raise)]
    calls = [e.func for e in raises if isinstance(e, ast.Call)]
    return {f.id for f in calls if isinstance(f, ast.Name)}


@each_file
def test_what_is_raised_is_ours(path: Path) -> None:
    """Beside our own tree only what speaks to programmers, and a command's exit."""
    from reverie import errors

    builtin = raised(path) & set(dir(builtins))
    allowed = {"ValueError", "TypeError", "NotImplementedError", "AssertionError", "RuntimeError"}
    allowed |= {"SystemExit", "KeyboardInterrupt"}
    allowed |= {"AttributeError"} if path.name == "__init__.py" else set()
    assert builtin <= allowed
    others = {name for name in raised(path) - builtin if name.endswith("Error")}
    assert others <= set(vars(errors))
