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
