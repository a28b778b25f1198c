"""The rendered book in a real browser: quiet, self-contained, searchable, legible in both themes, fit for a phone."""

import functools
import json
import re
import shutil
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from rendered_book import HTML, PAGES, page
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

pytestmark = pytest.mark.rendered

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
PHONE = 400
"""Width in CSS pixels."""
LEGIBLE = 4.5
"""Contrast of text that WCAG 2.1 asks for at its level AA."""

CONTRASTS = """
const numbers = text => (text.match(/[\\d.]+/g) || [0, 0, 0]).map(Number);
const light = colour => {
  const [r, g, b] = colour.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = element => {
  for (let e = element; e; e = e.parentElement) {
    const [r, g, b, a = 1] = numbers(getComputedStyle(e).backgroundColor);
    if (a === 1) return [r, g, b];
  }
  return [255, 255, 255];
};
const poor = [];
for (const e of document.querySelectorAll("article p, article h1, article h2, article td, article th, article li, " +
    "article a, article pre, article pre span, article code, article figcaption, article caption, nav a")) {
  const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
  if (!own || !e.checkVisibility() || e.matches(".headerlink")) continue;  // shown when pointed at
  const [a, b] = [light(numbers(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
  const contrast = (a + 0.05) / (b + 0.05);
  if (contrast < arguments[0]) poor.push(`${e.tagName} ${e.className} ${contrast.toFixed(1)}: ` +
    e.textContent.trim().slice(0, 40));
}
return poor;
"""


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=HTML))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("no Chromium and ChromeDriver to open the book in")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in ("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-sync"):
        options.add_argument(f"--{flag}")
    options.add_argument("--disable-background-networking")
    options.add_argument("--disable-component-update")
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.set_page_load_timeout(60)
    driver.get("about:blank")  # leaves the browser's own start page, which loads parts of the browser
    yield driver
    driver.quit()


def open_page(browser: webdriver.Chrome, address: str, width: int = 1280) -> None:
    """Open `address` in a window of `width` CSS pixels and wait until its equations are typeset."""
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    browser.get(address)
    typeset = "return window.MathJax === undefined || MathJax.startup.promise.then(() => true)"
    WebDriverWait(browser, 60).until(lambda driver: driver.execute_script(typeset))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_loads_without_an_error_and_asks_no_other_host(browser, site, name) -> None:
    for kind in ("browser", "performance"):
        browser.get_log(kind)  # reading empties it
    open_page(browser, f"{site}/{name}.html")
    assert [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert f"{site}/{name}.html" in asked
    assert [url for url in asked if not url.startswith((site, "data:", "blob:"))] == []
    answers = [e["params"]["response"] for e in events if e["method"] == "Network.responseReceived"]
    assert [answer["url"] for answer in answers if answer["status"] >= 400] == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_a_phone(browser, site, name) -> None:
    open_page(browser, f"{site}/{name}.html", PHONE)
    assert browser.execute_script("return window.innerWidth") == PHONE
    assert browser.execute_script("return document.documentElement.scrollWidth") <= PHONE
    # what is wider than the screen scrolls within a box of its own, and text never does
    cut = """
    return [...document.querySelectorAll("article p, article li, article h1, article h2, article h3, article img")]
      .filter(e => e.checkVisibility() && !e.closest("table, .math, pre, .cell_output"))
      .filter(e => e.getBoundingClientRect().right > window.innerWidth + 1)
      .map(e => e.tagName + " " + e.textContent.trim().slice(0, 60));
    """
    assert browser.execute_script(cut) == []


EQUATIONS = """
return [...document.querySelectorAll("article div.math > mjx-container")]
  .map(box => [box.scrollWidth - box.clientWidth, box.scrollHeight - box.clientHeight]);
"""


@pytest.mark.parametrize("name", PAGES)
def test_an_equation_is_whole_on_a_phone(browser, site, name) -> None:
    written = [equation.text.strip() for equation in page(name).select("article div.math")]
    if written:
        open_page(browser, f"{site}/{name}.html", PHONE)
        hidden = browser.execute_script(EQUATIONS)
        assert [text for text, (beside, below) in zip(written, hidden, strict=True) if max(beside, below) > 0] == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_text_is_legible_in_both_themes(browser, site, name, theme) -> None:
    open_page(browser, f"{site}/{name}.html")
    browser.execute_script("document.documentElement.dataset.theme = document.documentElement.dataset.mode = "
                           f"{theme!r}; document.documentElement.style.colorScheme = {theme!r}")  # fmt: skip
    assert browser.execute_script(CONTRASTS, LEGIBLE) == []


def test_equations_are_typeset_without_a_network(browser, site) -> None:
    open_page(browser, f"{site}/notation.html")
    typeset = browser.find_elements(By.CSS_SELECTOR, "mjx-container mjx-math")
    assert len(typeset) == len(page("notation").select("span.math, div.math")) > 0
    assert browser.find_elements(By.CSS_SELECTOR, "mjx-merror") == []


def test_the_search_finds_the_placebo(browser, site) -> None:
    open_page(browser, f"{site}/search.html?q=placebo")
    results = WebDriverWait(browser, 60).until(lambda driver: driver.find_elements(By.CSS_SELECTOR, "ul.search li a"))
    found = {urlsplit(link.get_attribute("href")).path for link in results}
    assert "/chapters/08_controls.html" in found


def test_the_theme_switch_changes_the_theme(browser, site) -> None:
    open_page(browser, f"{site}/index.html")
    seen = set()
    for _ in range(3):
        browser.find_element(By.CSS_SELECTOR, "button.theme-switch-button").click()
        seen.add(browser.execute_script("return document.documentElement.dataset.theme"))
    assert {"light", "dark"} <= seen


EXPLORED = """
return [...document.querySelectorAll("#explorer tbody tr")].map(row => [...row.cells].map(cell => cell.innerText));
"""


HEADS = """
return [...document.querySelectorAll("#explorer_wrapper .dt-scroll-head thead th")].map(head => head.innerText.trim());
"""


def test_the_explorer_sorts_and_filters_without_a_server(browser) -> None:
    browser.get((HTML / "explorer.html").as_uri())
    WebDriverWait(browser, 60).until(lambda driver: driver.execute_script(EXPLORED))
    fields = browser.find_elements(By.CSS_SELECTOR, "#explorer_wrapper .dt-scroll-foot tfoot input")
    heads = browser.execute_script(HEADS)
    assert len(heads) == len(fields)
    unlearning, attack, count = (heads.index(name) for name in ("unlearning", "attack", "k"))
    for column, text in ((unlearning, "NG"), (attack, "joint reach")):
        browser.execute_script("arguments[0].scrollIntoView({block: 'center', inline: 'center'})", fields[column])
        fields[column].send_keys(text)
    shown = browser.execute_script(EXPLORED)
    assert shown and {(row[unlearning], row[attack]) for row in shown} == {("NG", "joint reach")}
    assert not {"nan", "none"} & {cell.lower() for row in shown for cell in row}
    orders = []
    for _ in range(2):
        sort = "document.querySelectorAll('.dt-scroll-head thead th .dt-column-order')[arguments[0]].click()"
        browser.execute_script(sort, count)
        orders.append([int(row[count]) for row in browser.execute_script(EXPLORED)])
    rising, falling = orders
    assert rising == sorted(rising) and falling == sorted(falling, reverse=True) and falling[0] > rising[0]


GROUND = """
const luminance = colour => colour.match(/[\\d.]+/g).slice(0, 3).map(part => part / 255)
  .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
  .reduce((sum, part, i) => sum + part * [0.2126, 0.7152, 0.0722][i], 0);
const ground = node => { const own = getComputedStyle(node).backgroundColor;
  return /, 0\\)$|transparent/.test(own) ? ground(node.parentElement) : own; };
return [...document.querySelectorAll(".labelleak :is(p, h3, li, td, th)")].filter(node => node.checkVisibility())
  .map(node => [luminance(getComputedStyle(node).color), luminance(ground(node))]);
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_report_of_an_audit_is_legible_in_both_themes(browser, site, theme) -> None:
    open_page(browser, f"{site}/chapters/09_audit.html")
    browser.execute_script("document.documentElement.dataset.theme = arguments[0]", theme)
    pairs = browser.execute_script(GROUND)
    assert len(pairs) > 10
    assert min((max(pair) + 0.05) / (min(pair) + 0.05) for pair in pairs) >= 4.5


def test_a_figure_leads_to_its_own_file(browser, site) -> None:
    open_page(browser, f"{site}/chapters/06_statistical_comparison.html")
    seen = "return [...document.querySelectorAll('.bd-article img')].map(i => [i.src, i.closest('a')?.href])"
    images = browser.execute_script(seen)
    assert images and all(source == leads for source, leads in images)


def test_the_explorers_results_are_in_view_on_a_laptop(browser, site) -> None:
    open_page(browser, f"{site}/explorer.html")
    WebDriverWait(browser, 60).until(lambda driver: driver.execute_script(EXPLORED))
    heads = "return [...document.querySelectorAll('#explorer_wrapper thead th')].map(head => [head.innerText.trim(),"
    seen = browser.execute_script(heads + " head.getBoundingClientRect().right, window.innerWidth])")
    rates = [right <= width for name, right, width in seen if name.endswith("%")]
    assert len(rates) >= 5 and all(rates)


MARKS = """
return [...document.querySelectorAll(".bd-article .together")].filter(span => {
  const mark = document.createRange();
  mark.selectNodeContents(span.lastChild);
  const formula = span.firstChild.getBoundingClientRect(), [box] = mark.getClientRects();
  return box.top > formula.bottom;
}).map(span => span.parentElement.innerText.slice(0, 80));
"""


@pytest.mark.parametrize("width", [400, 1280])
def test_no_line_begins_with_the_mark_after_a_formula(browser, site, width) -> None:
    open_page(browser, f"{site}/chapters/02_unlearning.html", width)
    loose = "return [...document.querySelectorAll('.bd-article :not(.together) > span.math')]"
    after = browser.execute_script(loose + ".map(formula => formula.nextSibling?.nodeValue ?? '')")
    assert not [text for text in after if re.match(r"[.,;:!?)\]%]", text)]
    assert len(browser.find_elements("css selector", ".together")) > 5
    assert browser.execute_script(MARKS) == []
    # also where no line happens to end here
    styles = "return [...document.querySelectorAll('.together')].map(span => getComputedStyle(span).whiteSpace)"
    assert set(browser.execute_script(styles)) == {"nowrap"}


def test_every_place_that_the_explorer_names_is_in_the_book(browser) -> None:
    browser.get((HTML / "explorer.html").as_uri())
    WebDriverWait(browser, 60).until(lambda driver: driver.execute_script(EXPLORED))
    text = (HTML / "explorer.html").read_text(encoding="utf-8")
    named = set(re.findall(r"chapters/[\w.]+#fig-[\w-]+", text))
    assert len(named) >= 6
    for place in named:
        file, _, anchor = place.partition("#")
        assert (HTML / file).exists() and page(file.removesuffix(".html")).find(id=anchor), place


TALL = """
const boxes = ".labelleak .table, .pst-scrollable-table-container, .text_html, .dt-container";
const box = table => table.closest(boxes) || table;
return [...document.querySelectorAll("article table")].filter(table => table.checkVisibility() &&
  box(table).clientHeight > window.innerHeight).map(table => table.innerText.slice(0, 60));
"""


@pytest.mark.parametrize("name", PAGES)
def test_a_table_fits_one_screen_or_scrolls_within_one(browser, site, name) -> None:
    open_page(browser, f"{site}/{name}.html")
    assert browser.execute_script(TALL) == []


def test_a_table_of_which_some_is_out_of_sight_says_so(browser, site) -> None:
    open_page(browser, f"{site}/chapters/10_defences.html")
    boxes = "const boxes = [...document.querySelectorAll('.bd-article .pst-scrollable-table-container')];"
    shown = boxes + "return boxes.filter(b => b.checkVisibility()).map(b => [b.scrollHeight > b.clientHeight + 2 ||"
    seen = browser.execute_script(shown + "b.scrollWidth > b.clientWidth + 2, b.classList.contains('scrolls')])")
    assert {more for more, _ in seen} == {True, False}
    assert all(more == said for more, said in seen)
