// Instants in the reader's own zone, with UTC on hover. Without this script they stay in UTC, and say so.

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const two = number => String(number).padStart(2, "0");

function local(time) {
    const at = new Date(time.dateTime);
    if (time.dataset.local || Number.isNaN(at.getTime())) return;
    time.dataset.local = "yes";
    const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
    time.textContent = `${day} ${two(at.getHours())}:${two(at.getMinutes())}`;
}

function heading(cell) {
    const found = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    for (let text = found.nextNode(); text; text = found.nextNode()) {
        if (text.data.includes("(UTC)")) text.data = text.data.replace("(UTC)", `(${zone.split("/").pop().replaceAll("_", " ")})`);
    }
}

function localize(root) {
    root.querySelectorAll("time.moment[datetime]").forEach(local);
    root.querySelectorAll("th").forEach(heading);
}

if (new Date().getTimezoneOffset() !== 0 || zone !== "UTC") {
    localize(document);
    new MutationObserver(changes => changes.flatMap(change => [...change.addedNodes])
        .filter(node => node.nodeType === Node.ELEMENT_NODE).forEach(localize))
        .observe(document.body, {childList: true, subtree: true});
}
