"""The results explorer: every committed cell in one table that sorts and filters in the browser, without a server."""

from pathlib import Path

import pandas as pd
from itables import options, to_html_datatable
from itables.javascript import generate_init_offline_itables_html

from labelleak_lib.results import explorer
from labelleak_lib.trials.committed import BY_METHOD, committed_records


def explorer_page(output_dir: Path) -> None:
    """Write `explorer.html`: `explorer.shown` of all committed records, with the script that sorts and filters it."""
    records = pd.concat([committed_records(), committed_records(BY_METHOD)], ignore_index=True)
    (output_dir / "explorer.html").write_text(widget(explorer.shown(explorer.cells(records))), encoding="utf-8")


def widget(table: pd.DataFrame) -> str:
    """Return HTML that shows `table`, ten lines at a time, and fetches nothing.

    A click on a head sorts, the fields below the columns filter. The cells of `table` may hold HTML.
    """
    script = generate_init_offline_itables_html(options.dt_bundle)
    return script + to_html_datatable(
        table,
        connected=False,
        allow_html=True,
        column_filters="footer",
        display_logo_when_loading=False,
        lengthMenu=[10, 25, 100],
        maxBytes=0,
        pageLength=10,
        scrollX=True,
        showIndex=False,
        table_id="explorer",
    )
