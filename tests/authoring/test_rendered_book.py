"""The book as a reader meets it: run after `make book`, on what stands in _build/html."""

import copy
import functools
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from bs4 import BeautifulSoup, Tag
from project import ROOT
from rendered_book import HTML, PAGES, page

from labelleak_lib.authoring.outputs import has_output

pytestmark = pytest.mark.rendered

CHAPTERS = [file for file in PAGES if file.startswith("chapters/")]


def squeeze(text: str) -> str:
    """Drop all white space, which rendering may change, and what colours text on a terminal."""
    return re.sub(r"\s+|\x1b\[[0-9;]*m", "", text)


def is_remote(address: str) -> bool:
    return address.startswith(("http:", "https:", "//"))


def test_the_front_page_lists_the_chapters() -> None:
    front = page("index")
    links = {link["href"] for link in front.find("article").find_all("a", href=True)}
    assert len(CHAPTERS) == 12
    assert {f"{chapter}.html" for chapter in CHAPTERS} <= links


def test_the_front_page_shows_its_findings() -> None:
    front = page("index")
    findings = (ROOT / "book/generated/front.md").read_text().strip()
    assert findings
    # The figure drawn from records, copied under its own name.
    assert front.find("article").find("img", src="_images/front.png")
    assert (HTML / "_images/front.png").read_bytes() == (ROOT / "book/generated/front.png").read_bytes()


@pytest.mark.parametrize("name", PAGES)
def test_no_markup_is_left_in_a_pages_text(name: str) -> None:
    article = copy.copy(page(name).find("article"))
    for code in article.select("pre, code, script, style"):
        code.decompose()
    marks = [":::", "{tab-", "|:", "](", "{numref}", "{cite", "{eq}"]
    assert [mark for mark in marks if mark in article.get_text()] == []


@pytest.mark.parametrize("name", PAGES)
def test_no_cell_of_a_table_is_not_a_number(name: str) -> None:
    cells = page(name).select("article td")
    assert [cell for cell in cells if cell.get_text(strip=True).lower() in ("nan", "none", "nat", "-0.0", "-0")] == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_loads_nothing_from_the_network(name: str) -> None:
    soup = page(name)
    loaded = [tag["src"] for tag in soup.find_all(src=True)]
    loaded += [tag["href"] for tag in soup.find_all("link", href=True)]
    loaded += [address.split()[0] for tag in soup.find_all(srcset=True) for address in tag["srcset"].split(",")]
    assert [address for address in loaded if is_remote(address)] == []
    inline = [tag.get_text() for tag in soup.find_all(["script", "style"])]
    assert [text for text in inline if re.search(r"https?://", text)] == []


@pytest.mark.parametrize("name", PAGES)
def test_what_a_page_loads_is_there(name: str) -> None:
    soup = page(name)
    folder = (HTML / f"{name}.html").parent
    loaded = [tag["src"] for tag in soup.find_all(src=True)]
    loaded += [tag["href"] for tag in soup.find_all("link", rel="stylesheet")]
    files = [address.partition("?")[0] for address in loaded if not address.startswith("data:")]
    assert [file for file in files if not (folder / file).is_file()] == []


@pytest.mark.parametrize("name", PAGES)
def test_links_within_the_book_lead_somewhere(name: str) -> None:
    here = HTML / f"{name}.html"
    links = {urlsplit(link["href"]) for link in page(name).find_all("a", href=True) if link["href"] != "#"}
    inner = [
        ((here.parent / link.path).resolve() if link.path else here, link.fragment) for link in links if not link.scheme
    ]
    assert inner
    assert [str(target) for target, _ in inner if not target.exists()] == []
    pages = [(target, unquote(fragment)) for target, fragment in inner if fragment and target.suffix == ".html"]
    assert [(target.name, fragment) for target, fragment in pages if fragment not in anchors(target)] == []


@functools.cache
def anchors(target: Path) -> set[str]:
    return {tag["id"] for tag in BeautifulSoup(target.read_text(), "html.parser").find_all(id=True)}


@pytest.mark.parametrize("name", PAGES)
def test_every_image_says_what_it_shows(name: str) -> None:
    images = page(name).find("article").find_all("img")
    # Without a text of its author's an image gets its file's path.
    silent = [image["src"] for image in images if not re.search(r"\w \w", image.get("alt", ""))]
    assert silent == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_output_of_a_chapter_is_rendered(name: str) -> None:
    notebook = nbformat.read(ROOT / f"book/{name}.ipynb", as_version=4)
    shown = [cell for cell in notebook.cells if cell.cell_type == "code" and not hidden(cell)]
    rendered = page(name).select("div.cell")
    assert len(rendered) == len(shown)
    missing = []
    for position, (cell, block) in enumerate(zip(shown, rendered, strict=True)):
        if "remove-output" not in cell.metadata.get("tags", []):
            missing += [(position, what) for what in outputs_missing(cell, block)]
    assert missing == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_table_that_a_chapters_cell_shows_has_a_numbered_caption(name: str) -> None:
    bare = [
        table for table in page(name).select("div.cell_output table") if not table.select("caption .caption-number")
    ]
    assert [table.get_text(" ", strip=True)[:80] for table in bare if not titled(table)] == []


def titled(table: Tag) -> bool:
    """Tell whether a title of its own stands above a table: that of a card it lies in, or a heading of a report."""
    if card := table.find_parent("details"):
        return card.find("summary") is not None
    heading = table.find_previous(re.compile("^h[1-6]$"))
    return heading is not None and heading.find_parent("div", class_="cell_output") is not None


def hidden(cell: nbformat.NotebookNode) -> bool:
    tags = set(cell.metadata.get("tags", []))
    return "remove-cell" in tags or {"remove-input", "remove-output"} <= tags


def outputs_missing(cell: nbformat.NotebookNode, block: Tag) -> list[str]:
    """Return the outputs of a cell that its rendered block lacks, each by its kind."""
    if not has_output(cell):
        return []
    text = squeeze(" ".join(part.get_text() for part in block.select(".cell_output")))
    images = len(block.select(".cell_output img, .cell_output svg"))
    missing = []
    for output in cell.outputs:
        data = output.get("data", {})
        if output.output_type == "stream":
            if output.name == "stdout" and squeeze(output.text) not in text:
                missing.append("printed text")
        elif any(kind.startswith("image/") for kind in data):
            images -= 1
        elif "text/html" in data:
            expected = BeautifulSoup(data["text/html"], "html.parser")
            for unseen in expected.find_all(["style", "script"]):
                unseen.extract()
            if squeeze(expected.get_text()) not in text:
                missing.append("table")
        elif "text/markdown" in data or "text/latex" in data:
            if not text:
                missing.append("formatted text")
        elif "text/plain" in data and squeeze(data["text/plain"]) not in text:
            missing.append("value")
    return missing + ["image"] * max(0, -images)
