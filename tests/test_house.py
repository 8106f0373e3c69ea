"""The house rules that no linter knows: sizes, names, what may stand in a committed file.

They are there to make one think. A file split in two that are always read together is worse than one that is long:
an exception stands in EXCEPTIONS, with its reason.
"""

import ast
import re
import subprocess
import sysconfig
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

MODULE, FUNCTION, NESTING, WEB_FILE, DOCSTRING = 500, 60, 4, 250, 8
DEPENDENCIES = 18
FORBIDDEN = {"utils", "util", "helpers", "helper", "common", "core", "services", "service", "managers", "manager"}

EXCEPTIONS: dict[str, str] = {
    "src/holdfast/errors.py": "its docstring draws the whole tree of errors",
    "src/holdfast/store/migrations/versions/": "a migration is a list of tables, written once",
}
"""Files, or folders of them, that a size rule does not hold for, and why."""

BLIND: dict[str, str] = {
    "src/holdfast/generation/engine.py": "the top of a generation's task, which must be settled whatever happened",
    "src/holdfast/generation/log.py": "a writer that ends would take every generation with it",
    "src/holdfast/transfer/imports.py": "the top of an import's task, whose end somebody asks about",
    "src/holdfast/feed.py": "a loop that ends would tell nobody anything any more",
    "src/holdfast/generation/watch.py": "the top of a reader's task: it comes back to where it was",
    "src/holdfast/tasks.py": "the top of a task that follows an answer, whose failure is nobody else's",
    "src/holdfast/clearing.py": "a loop that ends would leave what was deleted lying until a restart",
    "src/holdfast/store/sqlite.py": "what one job of a batch raises belongs to whoever sent it",
}
"""Files that may end any exception, at the top of a task or a request, and why."""

PTH = {
    "_holdfast.pth": "our own editable install",
    "_virtualenv.pth": "written by uv with the environment",
    "a1_coverage.pth": "coverage measures the servers that tests start",
    "distutils-precedence.pth": "setuptools, which python -m venv brings along",
}
"""What Python runs at each start of this environment: a stolen release of a package would hide here."""

GENERATED = re.compile(r"\.lock$|package-lock\.json$|^LICENSE$|\.(png|ico|woff2|webp)$")
REGISTRY = re.compile(
    r"(?:pypi|npmjs|yarnpkg|pythonhosted|npmmirror|jfrog|nexus|artifactory|devpi)[\w.-]*\.(?:org|com|io|net|cn)[:/]"
    r"|(?:--(?:extra-)?index-url|--find-links|_authToken|^\s*registry\s*)=",
    re.MULTILINE,
)
MACHINE = re.compile(r"(?<![\w.$}/])/(?:work|root|home|opt|Users|mnt)/\w")


def tracked(*patterns: str) -> list[Path]:
    """What is, or is about to be, committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted({path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()})


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


MODULES = tracked("*.py")
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in MODULES}
SOURCE = [path for path in MODULES if name(path).startswith("src/")]
DEEPER = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(TREES[path]) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def depth(node: ast.AST) -> int:
    """How many blocks stand inside each other; `elif` is no deeper than its `if`, a function starts anew."""
    inner = 0
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]
        inner = max(inner, depth(child) + (isinstance(child, DEEPER) and not is_elif))
    return inner


def excused(found: dict[str, object], exceptions: dict[str, str]) -> dict[str, object]:
    return {where: what for where, what in found.items() if not where.startswith(tuple(exceptions))}


def test_a_module_is_short() -> None:
    found: dict[str, object] = {name(path): count for path in MODULES if (count := lines(path)) > MODULE}
    assert excused(found, EXCEPTIONS) == {}


def test_a_file_of_the_page_is_short() -> None:
    files = tracked("web/*.ts", "web/*.svelte", "web/*.css", "web/*.mjs", "web/*.js")
    found = {name(path): lines(path) for path in files if lines(path) > WEB_FILE and "lang" not in path.parts}
    assert excused(dict(found), EXCEPTIONS) == {}


def test_a_function_is_short_and_flat() -> None:
    found: dict[str, object] = {}
    for path in MODULES:
        for function in functions(path):
            length = (function.end_lineno or function.lineno) - function.lineno + 1
            if length > FUNCTION or depth(function) > NESTING:
                found[f"{name(path)}:{function.name}"] = f"{length} lines, {depth(function)} deep"
    assert excused(found, EXCEPTIONS) == {}


def test_a_module_opens_with_what_it_is_for() -> None:
    found: dict[str, object] = {}
    for path, tree in TREES.items():
        docstring = ast.get_docstring(tree) or ""
        if not docstring or len(docstring.splitlines()) > DOCSTRING:
            found[name(path)] = docstring
    assert excused(found, EXCEPTIONS) == {}


def test_no_module_has_a_name_that_says_nothing() -> None:
    named = {name(path) for path in SOURCE if FORBIDDEN & {path.stem, *path.relative_to(ROOT).parent.parts}}
    assert named == set()


def ends_anything(handler: ast.ExceptHandler) -> bool:
    """It catches every exception and does not raise it again."""
    caught = (
        {leaf.id for leaf in ast.walk(handler.type) if isinstance(leaf, ast.Name)} if handler.type else {"Exception"}
    )
    last = handler.body[-1]
    return bool(caught & {"Exception", "BaseException"}) and not (isinstance(last, ast.Raise) and last.exc is None)


def test_every_exception_is_ended_only_where_it_is_listed() -> None:
    found = {
        name(path)
        for path in SOURCE
        for node in ast.walk(TREES[path])
        if isinstance(node, ast.ExceptHandler) and ends_anything(node)
    }
    assert found == set(BLIND)


def test_the_lists_of_exceptions_name_only_what_exists() -> None:
    assert [where for where in {**EXCEPTIONS, **BLIND} if not (ROOT / where).exists()] == []


@pytest.mark.parametrize("rule", [REGISTRY, MACHINE], ids=["registry", "machine"])
def test_no_committed_file_says_where_a_package_or_this_machine_is(rule: re.Pattern[str]) -> None:
    found: dict[str, list[str]] = {}
    for path in tracked():
        if path != Path(__file__) and not GENERATED.search(name(path)):
            hits = rule.findall(path.read_text(encoding="utf-8"))
            found |= {name(path): hits} if hits else {}
    assert found == {}


@pytest.mark.parametrize("lock", tracked("*.lock", "*package-lock.json"), ids=name)
def test_a_lock_holds_hashes_and_no_address(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    assert '"resolved"' not in text
    if lock.suffix == ".lock":
        assert "://" not in text
        assert len(re.findall(r"^[\w.-]+==", text, re.MULTILINE)) <= text.count("--hash=sha256:")


def test_the_development_lock_is_the_other_one_and_more() -> None:
    def pins(lock: str) -> set[str]:
        return set(re.findall(r"^[\w.-]+==\S+", (ROOT / lock).read_text(encoding="utf-8"), re.MULTILINE))

    assert pins("requirements.lock") < pins("requirements-dev.lock")


def test_the_direct_dependencies_are_few() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert len(project["dependencies"]) <= DEPENDENCIES


def test_nothing_unexpected_runs_when_python_starts() -> None:
    site = Path(sysconfig.get_path("purelib"))
    assert {path.name for path in site.glob("*.pth")} - set(PTH) == set()
