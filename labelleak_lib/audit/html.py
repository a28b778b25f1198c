"""The report as one page of HTML that needs nothing else."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from labelleak_lib.audit import strip

if TYPE_CHECKING:
    from labelleak_lib.audit.report import AuditReport

STYLE = """
.labelleak{font:16px/1.5 system-ui,sans-serif;color:#222;background:#fff;max-width:46rem;overflow-wrap:break-word}
.labelleak .verdict{font-size:1.15rem;font-weight:600}
.labelleak .table{overflow-x:auto}
.labelleak table{border-collapse:collapse;font-size:.9rem}
.labelleak td,.labelleak th{padding:.2rem .6rem;text-align:right;border-bottom:1px solid #ddd}
.labelleak .named td{color:#c1121f;font-weight:600}
.labelleak svg text{font:13px system-ui,sans-serif}
.labelleak pre{white-space:pre-wrap;background:#f4f4f4;padding:.6rem}
"""
COLUMNS = {
    "class": "class", "name": "name", "reach": "reach", "relative_reach": "relative reach", "answered": "answered",
    "accuracy": "accuracy", "p_value": "p-value", "verdict": "verdict",
}  # fmt: skip


def page(report: AuditReport) -> str:
    """Return the whole page."""
    head = '<meta name="viewport" content="width=device-width,initial-scale=1">'
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>labelleak audit</title>'
        f"{head}</head>\n<body>{body(report)}</body></html>\n"
    )


def body(report: AuditReport) -> str:
    """Return what stands in the page: verdict, strip, flags, table, how to reproduce."""
    p_value = (
        "" if report.p_value != report.p_value else f"<p>p-value of “nothing was forgotten”: {report.p_value:.3g}.</p>"
    )
    flags = "".join(f"<li>{escape(flag)}</li>" for flag in report.flags) or "<li>none</li>"
    versions = ", ".join(f"{name} {version}" for name, version in report.reproduce["versions"].items())
    unit = "how often it was answered" if report.labels_only else "in nats"
    return f"""<div class="labelleak"><style>{STYLE}</style>
<p class="verdict">{escape(report.verdict)}</p>
{p_value}{strip.svg(report)}
<p>{escape(report.null.sentence())}</p>
<h2>Flags</h2><ul>{flags}</ul>
<h2>Classes</h2><div class="table">{_table(report)}</div>
<p>Reach is how far the best input lifts a class above all others ({unit}); relative reach is in units of the upper
quartile of the model's own. {report.queries:,} inputs were asked about in {report.seconds:.1f} seconds
({escape(report.status)}).</p>
<h2>Reproduce</h2><pre>{escape(report.reproduce["call"])}</pre><p>{escape(versions)}</p></div>"""


def _table(report: AuditReport) -> str:
    columns = [name for name in COLUMNS if name in report.classes]
    head = "".join(f"<th>{COLUMNS[name]}</th>" for name in columns)
    lines = []
    for row in report.classes.to_dict("records"):
        cells = (f"<td>{escape(f'{v:.3g}' if isinstance(v := row[name], float) else str(v))}</td>" for name in columns)
        named = ' class="named"' if row["class"] in report.forgotten else ""
        lines.append(f"<tr{named}>{''.join(cells)}</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
