"""The book's page of an audit's fields says something of every field of the schema."""

import json

from labelleak_lib.audit.report import SCHEMA
from labelleak_lib.authoring.form_pages import report_page


def test_every_field_is_listed_with_its_meaning(tmp_path):
    report_page(tmp_path)
    lines = [line.split(" | ") for line in (tmp_path / "report.md").read_text().splitlines() if line.startswith("| `")]
    schema = json.loads(SCHEMA.read_text())
    fields = schema["properties"]
    lists = [*fields["classes"]["items"]["properties"], *fields["leaks"]["items"]["properties"]]
    names = [*fields, *lists, *fields["null"]["properties"]]
    assert [line[0] for line in lines] == [f"| `{name}`" for name in [*names, *fields["reproduce"]["properties"]]]
    assert all(len(line[1]) > 8 for line in lines)
