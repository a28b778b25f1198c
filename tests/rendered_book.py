"""Where the rendered book lies, and its pages: for the tests that run after `make book`."""

import functools

import yaml
from bs4 import BeautifulSoup
from project import ROOT

HTML = ROOT / "_build/html"
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text())
PAGES = [TOC["root"], *(chapter["file"] for part in TOC["parts"] for chapter in part["chapters"])]


@functools.cache
def page(name: str) -> BeautifulSoup:
    """Parse a page of the rendered book, once: whoever changes it copies it first."""
    return BeautifulSoup((HTML / f"{name}.html").read_text(), "html.parser")
