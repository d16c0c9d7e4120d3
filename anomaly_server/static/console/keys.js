// Keys: an element with data-key="n" is pressed by that key, a field is gone to. `?` lists them.
// No key does anything while somebody types, and none repeats while it is held down: a verdict is given once.

const isTyping = one => one.isContentEditable || one.matches("input:not([type=checkbox]):not([type=radio]), textarea, select");

function press(element) {
    if (element.matches("input, textarea, select")) element.focus();
    else element.click();
}

function usable(key) {
    const found = document.querySelectorAll(`[data-key="${CSS.escape(key)}"]`);
    return [...found].find(one => !one.disabled && one.checkVisibility());
}

function move(step) {
    const rows = [...document.querySelectorAll("#result_list tbody")].filter(row => row.querySelector("th a"));
    if (!rows.length) return false;
    const place = rows.indexOf(document.activeElement.closest("#result_list tbody"));
    const row = rows[Math.min(Math.max(place + step, 0), rows.length - 1)];
    row.querySelector("th a").focus();
    row.scrollIntoView({block: "nearest"});
    return true;
}

function help() {
    let dialog = document.getElementById("console-keys-shown");
    if (!dialog) {
        const template = document.getElementById("console-keys");
        dialog = template.content.firstElementChild.cloneNode(true);
        dialog.id = "console-keys-shown";
        document.body.append(dialog);
    }
    if (dialog.open) dialog.close();
    else dialog.showModal();
}

function typed(event) {
    if (event.key === "Escape") event.target.blur();
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    // A form with one button is sent. One with several waits for its key: the note is written, the verdict not given.
    const buttons = event.target.form ? event.target.form.querySelectorAll("button") : [];
    if (buttons.length === 1) event.target.form.requestSubmit(buttons[0]);
    else event.target.blur();
}

document.addEventListener("keydown", event => {
    if (event.defaultPrevented) return;
    if (isTyping(event.target)) { typed(event); return; }
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat && !"jk".includes(event.key)) return;
    // The queue has keys of its own for its rows, and its own list of them.
    if ("jk?".includes(event.key) && document.querySelector(".q-keys")) return;
    if (event.key === "?") { event.preventDefault(); help(); return; }
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "j" || event.key === "k") {
        if (move(event.key === "j" ? 1 : -1)) event.preventDefault();
        return;
    }
    const element = usable(event.key);
    if (!element) return;
    event.preventDefault();
    press(element);
});

document.addEventListener("click", event => {
    if (event.target.closest("[data-keys-help]")) help();
});
