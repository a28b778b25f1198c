"""The report as one page of HTML that needs nothing else."""

from html import escape
from typing import Any

# text keeps the colours of what it stands in: a notebook may be dark
STYLE = """
.labelleak{font:16px/1.5 system-ui,sans-serif;max-width:46rem;overflow-wrap:break-word}
.labelleak .verdict{font-size:1.15rem;font-weight:600}
.labelleak .table{overflow-x:auto}
.labelleak table{border-collapse:collapse;font-size:.9rem}
.labelleak td,.labelleak th{padding:.2rem .6rem;text-align:right;border-bottom:1px solid rgba(127,127,127,.4)}
.labelleak .named td{font-weight:600}
.labelleak svg{max-width:35rem;background:#fff}
.labelleak svg text{font:13px system-ui,sans-serif}
.labelleak pre{white-space:pre-wrap;color:inherit;background:rgba(127,127,127,.12);padding:.6rem}
"""
COLUMNS = {
    "class": "class", "name": "name", "reach": "reach", "relative_reach": "relative reach", "answered": "answered",
    "accuracy": "accuracy", "p_value": "p-value", "verdict": "verdict", "head_bias": "head bias",
    "head_row_sum": "head row sum", "dot_product": "dot product", "difference": "difference",
}  # fmt: skip


def page(held: dict[str, Any], strip: str) -> str:
    """Return the whole page of a report as it stands in JSON, with its strip as SVG."""
    head = '<meta name="viewport" content="width=device-width,initial-scale=1">'
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>labelleak audit</title>'
        f"{head}</head>\n<body>{body(held, strip)}</body></html>\n"
    )


def body(held: dict[str, Any], strip: str) -> str:
    """Return what stands in the page: verdict, strip, flags, table, how to reproduce."""
    p_value = "" if held["p_value"] is None else f"<p>p-value of “nothing was forgotten”: {held['p_value']:.3g}.</p>"
    flags = "".join(f"<li>{escape(flag)}</li>" for flag in held["flags"]) or "<li>none</li>"
    versions = ", ".join(f"{name} {version}" for name, version in held["reproduce"]["versions"].items())
    unit = "how often it was answered" if held["labels_only"] else "in nats"
    return f"""<div class="labelleak"><style>{STYLE}</style>
<p class="verdict">{escape(held["verdict"])}</p>
{p_value}{strip}
<p>{escape(held["null"]["sentence"])}</p>
<h3>Flags</h3><ul>{flags}</ul>
<h3>Classes</h3><div class="table">{_table(held)}</div>
<p>Reach is how far the best input lifts a class above all others ({unit}); relative reach is in units of the upper
quartile of the model's own. {held["queries"]:,} inputs were asked about in {held["seconds"]:.1f} seconds
({escape(held["status"])}).</p>
{_leaks(held["leaks"])}<h3>Reproduce</h3><pre>{escape(held["reproduce"]["call"])}</pre><p>{escape(versions)}</p></div>"""


def _leaks(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return ""
    lines = []
    for row in rows:
        accused = "needs both models" if row["accused"] is None else _classes(row["accused"])
        exact = "yes" if row["exact"] else "no"
        cells = (row["reading"], row["access"], f"{row['auc']:.2f}", _classes(row["named"]), exact, accused)
        lines.append(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>")
    head = "".join(f"<th>{name}</th>" for name in ("reading", "access", "AUC", "names", "exactly", "names on M_o"))
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    return f'<h3>What leaks</h3><div class="table">{table}</div>'


def _classes(named: list[int]) -> str:
    return ", ".join(map(str, named)) or "none"


def _table(held: dict[str, Any]) -> str:
    columns = [name for name in COLUMNS if name in held["classes"][0]]
    head = "".join(f"<th>{COLUMNS[name]}</th>" for name in columns)
    lines = []
    for row in held["classes"]:
        named = ' class="named"' if row["class"] in held["forgotten"] else ""
        lines.append(f"<tr{named}>{''.join(f'<td>{escape(_text(row[name]))}</td>' for name in columns)}</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _text(value: Any) -> str:
    return "" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)
