"""The reference of the library: a section a folder, an entry a module, generated from the file tree."""

import ast
from pathlib import Path

LIBRARY = Path(__file__).parents[1]
FOLDERS = (
    *(
        "paper",
        "data",
        "models",
        "unlearning",
        "adapters",
        "defences",
        "attacks",
        "criteria",
        "theory",
        "trials",
        "nulls",
        "results",
        "audit",
    ),
    *("figures", "authoring"),
)
"""The library's folders, as the README's layout lists them: each builds on those before it."""
_ENTRY = "### `{0}`\n\n```{{eval-rst}}\n.. automodule:: {0}\n   :members:\n   :ignore-module-all:\n```\n"


def is_public(source: str) -> bool:
    """Tell whether a module's code defines a function or a class whose name does not begin with an underscore.

    Examples
    --------
    >>> is_public("def f(): ..."), is_public("class _C: ..."), is_public("X = 1")
    (True, False, False)
    """
    definitions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    return any(not node.name.startswith("_") for node in definitions)


def public_modules(folder: str = "") -> list[str]:
    """Return the full names of a folder's modules that define something public; `""` are those in no folder."""
    below = sorted((LIBRARY / folder).rglob("*.py") if folder else LIBRARY.glob("*.py"))
    parts = [path.relative_to(LIBRARY.parent).with_suffix("").parts for path in below if is_public(path.read_text())]
    return [".".join(names).removesuffix(".__init__") for names in parts]


def reference_page(output_dir: Path) -> None:
    """Write `reference.md` to `output_dir`, which is made if missing."""
    sections = [("What every folder uses", public_modules())]
    sections += [(folder.capitalize(), public_modules(folder)) for folder in FOLDERS]
    entries = [(f"## {title}\n", *map(_ENTRY.format, modules)) for title, modules in sections]
    output_dir.mkdir(parents=True, exist_ok=True)
    (output_dir / "reference.md").write_text("\n".join("\n".join(entry) for entry in entries), encoding="utf-8")
