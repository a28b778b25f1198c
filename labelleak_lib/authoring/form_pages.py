"""The pages that say what a form holds: the tables of the store with all their files, and the fields of a report."""

import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from labelleak_lib.audit.report import JSON_VERSION, SCHEMA
from labelleak_lib.files import COMMITTED
from labelleak_lib.trials import schema
from labelleak_lib.trials.committed import committed
from labelleak_lib.trials.identity import numerics_digest


def stored_page(output_dir: Path) -> None:
    """Write `stored.md`: the columns of the two tables of the store, with type and meaning, and every file of it."""
    tables = {"Models": schema.MODELS, "Evidence": schema.EVIDENCE}
    numerics = pd.concat([stored.models.numerics for stored in committed().values()])
    other = int((~numerics.isin(["", numerics_digest()])).sum())
    known = f"Of {len(numerics):,} committed models {(numerics != '').sum():,} say which numeric code made them"
    version = f"The schema's version is {schema.SCHEMA_VERSION}."
    parts = [
        f"{version} {known}; for {other:,} of these it was another than today's. Any file that computes on models "
        "counts as such code: `labelleak verify` runs a sample of cells again and compares."
    ]
    for title, columns in tables.items():
        lines = [f"| `{name}` | {kind} | {meaning} |" for name, (kind, meaning) in columns.items()]
        parts.append("\n".join([f"## {title}\n", "| column | type | meaning |", "|---|---|---|", *lines]))
    parts.append(_files(COMMITTED))
    (output_dir / "stored.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _files(folder: Path) -> str:
    """Return a table of the Parquet files below a folder of the book, each to be downloaded."""
    lines = ["## Files", "", "| file | lines | kB | columns |", "|---|---|---|---|"]
    for path in sorted(folder.rglob("*.parquet")):
        name, parquet = path.relative_to(folder).as_posix(), pq.ParquetFile(path)
        known = {"models": "as *models*", "evidence": "as *evidence*"}.get(path.name.split(".")[1])
        columns = known or ", ".join(f"`{column}`" for column in parquet.schema_arrow.names)
        link = f"{{download}}`{name} <{folder.name}/{name}>`"
        lines.append(f"| {link} | {parquet.metadata.num_rows:,} | {path.stat().st_size / 1e3:.0f} | {columns} |")
    return "\n".join(lines)


def report_page(output_dir: Path) -> None:
    """Write `report.md`: the fields of an audit's JSON, as its schema describes them."""
    schema_of = json.loads(SCHEMA.read_text(encoding="utf-8"))
    parts = [f"The form's version is {JSON_VERSION}; its JSON schema comes with the library, as `audit/{SCHEMA.name}`."]
    fields = schema_of["properties"]
    inner = {name: fields[name].get("items", fields[name]) for name in ("classes", "leaks", "null", "reproduce")}
    for title, described in {"Report": schema_of, **inner}.items():
        lines = [f"| `{name}` | {field.get('description', '')} |" for name, field in described["properties"].items()]
        heading = title if title == "Report" else f"`{title}`"
        parts.append("\n".join([f"## {heading}\n", "| field | meaning |", "|---|---|", *lines]))
    output_dir.mkdir(parents=True, exist_ok=True)
    (output_dir / "report.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
