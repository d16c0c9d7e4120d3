// The queue by keyboard, and how many cases are selected. Everything here works by mouse too, and without this file.

const form = document.querySelector("#bulk");
const rows = [...document.querySelectorAll("#result_list > tbody")];
const boxes = [...document.querySelectorAll("#result_list .c-pick")];
const search = document.querySelector("#searchbar");
let here = -1;

function select(place, box = boxes[place]) {
    if (!box) return;
    box.checked = !box.checked;
    tell();
}

// The number beside “Selected”; ticking a row means that the selected ones are meant.
function tell(event) {
    if (!form) return;
    const picked = boxes.filter((box) => box.checked).length;
    form.querySelector(".q-picked").textContent = picked || "";
    if (event || picked) form.elements.scope.value = "selected";
    const all = document.querySelector(".q-all");
    if (all) {
        all.checked = picked > 0 && picked === boxes.length;
        all.indeterminate = picked > 0 && picked < boxes.length;
    }
}

function go(step) {
    if (!rows.length) return;
    rows[here]?.classList.remove("q-here");
    here = Math.min(rows.length - 1, Math.max(0, here + step));
    rows[here].classList.add("q-here");
    rows[here].scrollIntoView({ block: "nearest" });
    rows[here].querySelector("th a")?.focus({ preventScroll: true });
}

function addBoxForAll() {
    const head = document.querySelector("#result_list thead th");
    if (!form || !head || !boxes.length) return;
    const box = document.createElement("input");
    box.type = "checkbox";
    box.className = "q-all";
    box.setAttribute("aria-label", form.dataset.all);
    box.addEventListener("change", () => {
        for (const one of boxes) one.checked = box.checked;
        tell();
    });
    head.prepend(box);
}

const help = document.querySelector(".q-keys");
const KEYS = {
    j: () => go(1),
    k: () => go(-1),
    x: () => select(-1, rows[here]?.querySelector(".c-pick")),
    "/": () => { search?.focus(); search?.select(); },
    "?": () => help?.showModal(),
};

document.addEventListener("keydown", (event) => {
    const at = event.target;
    const isTyping = at.closest?.("input:not([type=checkbox], [type=radio]), select, textarea, dialog");
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping) return;
    if (event.key === "Enter" && here >= 0 && !at.closest("a, button, summary")) {
        rows[here].querySelector("th a")?.click();
        return;
    }
    const act = KEYS[event.key];
    if (!act) return;
    event.preventDefault();
    act();
});

if (form) {
    addBoxForAll();
    const assignee = form.querySelector(".q-assignee");
    const what = form.elements.do;
    const show = () => { if (assignee) assignee.hidden = what.value !== "assign"; };
    what.addEventListener("change", show);
    for (const box of boxes) box.addEventListener("change", tell);
    show();
    // The browser keeps what was ticked when one comes back.
    addEventListener("pageshow", () => tell());
}
