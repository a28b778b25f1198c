// A figure leads to its own file, which a narrow screen shows at full size.
document.addEventListener("DOMContentLoaded", () => {
    for (const image of document.querySelectorAll(".bd-article img")) {
        if (image.closest("a")) {
            continue;
        }
        const link = document.createElement("a");
        link.href = image.src;
        link.className = "enlarge";
        link.title = "Show at full size";
        image.replaceWith(link);
        link.append(image);
    }
});

// A mark after a formula stays on the formula's line: beside an element that is set apart a browser may break anywhere.
document.addEventListener("DOMContentLoaded", () => {
    for (const formula of document.querySelectorAll(".bd-article span.math")) {
        const [mark] = (formula.nextSibling?.nodeValue ?? "").match(/^[.,;:!?)\]%’”-]+/) ?? [];
        if (!mark) {
            continue;
        }
        const together = document.createElement("span");
        together.className = "together";
        formula.nextSibling.nodeValue = formula.nextSibling.nodeValue.slice(mark.length);
        formula.replaceWith(together);
        together.append(formula, mark);
    }
});

// A table that does not fit its box says so; also one in a tab, which has no size before it is shown.
document.addEventListener("DOMContentLoaded", () => {
    const watch = new ResizeObserver(entries => {
        for (const { target: box } of entries) {
            const more = box.scrollHeight > box.clientHeight + 2 || box.scrollWidth > box.clientWidth + 2;
            box.classList.toggle("scrolls", more);
        }
    });
    const boxes = ".pst-scrollable-table-container, .output.text_html:has(table):not(:has(.labelleak))";
    document.querySelectorAll(`.bd-article :is(${boxes})`).forEach(box => watch.observe(box));
});
