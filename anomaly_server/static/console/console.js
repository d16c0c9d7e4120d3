// Copying whole ids, of which the pages show the end.

const SHOWN_MS = 1200;

async function copy(text) {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    // Without TLS browsers offer no clipboard.
    const field = document.body.appendChild(document.createElement("textarea"));
    field.value = text;
    field.select();
    document.execCommand("copy");
    return field.remove();
}

document.addEventListener("click", async event => {
    const button = event.target.closest("[data-copy]");
    const id = button ? null : event.target.closest(".id[title]");
    if (!button && (!id || id.closest("a"))) return;
    await copy(button ? button.dataset.copy : id.title);
    const shown = button || id;
    shown.classList.add("is-copied");
    setTimeout(() => shown.classList.remove("is-copied"), SHOWN_MS);
});

// Buttons that need a script are hidden without one.
function unhide(root) {
    root.querySelectorAll("[data-copy][hidden], [data-keys-help][hidden]").forEach(one => { one.hidden = false; });
}

unhide(document);
document.addEventListener("console:part", () => unhide(document));
