// The page of a case: forms are sent and answered in place, the lease is renewed while somebody works, and the
// offer to undo ends after its ten seconds. Without this script every form loads a page.

const PART = {"X-Console-Part": "case"};
// How often it is looked whether to renew, and how old a lease's last renewal gets.
const LOOK_MS = 30_000;
const RENEW_MS = 180_000;
const state = {isBusy: false, active: Date.now(), renewed: Date.now()};

const page = () => document.getElementById("case");

function show(text, url) {
    const part = new DOMParser().parseFromString(text, "text/html").getElementById("part");
    const shown = part?.querySelector("#case");
    if (!shown) return false;
    page().replaceWith(document.adoptNode(shown));
    retitle(part.dataset.title);
    if (url !== location.href) history.pushState({}, "", url);
    begin();
    document.dispatchEvent(new CustomEvent("console:part"));
    return true;
}

// The frame around the page names the case too: in the tab and as the last of its crumbs.
function retitle(name) {
    const before = state.title || document.title.split("|")[0].trim();
    document.title = document.title.replace(before, name);
    const texts = document.createTreeWalker(document.getElementById("main"), NodeFilter.SHOW_TEXT);
    for (let text = texts.nextNode(); text; text = texts.nextNode()) {
        if (page().contains(text)) break;
        if (text.data.trim().toLowerCase() === before.toLowerCase()) {
            text.data = /^\s*[A-Z]/.test(text.data) ? name[0].toUpperCase() + name.slice(1) : name;
        }
    }
    state.title = name;
}

async function send(form, submitter) {
    state.isBusy = true;
    page().setAttribute("aria-busy", "true");
    try {
        const body = new FormData(form, submitter);
        const answer = await fetch(form.action, {method: "POST", body, headers: PART});
        // The next case comes with the answer to the verdict, and says where it is.
        const where = new URL(answer.headers.get("Content-Location") ?? answer.url, answer.url).href;
        // Anything but a case's page (the queue, the login, an error) is shown as a page of its own.
        if (!answer.ok || !show(await answer.text(), where)) location = answer.ok ? answer.url : location.href;
    } catch {
        lost("The server does not answer. Nothing was changed, or the page is out of date: reload it.");
    } finally {
        state.isBusy = false;
        page().removeAttribute("aria-busy");
    }
}

function lost(sentence) {
    const told = page().querySelector(".k-lost");
    told.textContent = sentence;
    told.hidden = false;
}

function lose(sentence) {
    lost(sentence);
    delete page().dataset.leaseMs;
    page().querySelectorAll(".c-verdict button, .c-verdict textarea").forEach(one => { one.disabled = true; });
}

async function renew() {
    state.renewed = Date.now();
    const token = page().querySelector("[name=csrfmiddlewaretoken]").value;
    const answer = await fetch(page().dataset.renew, {method: "POST", headers: {"X-CSRFToken": token}});
    if (answer.status === 409) lose((await answer.json()).error);
    if (!answer.ok) return;
    const until = (await answer.json()).lease_ms;
    page().dataset.leaseMs = until;
    const time = page().querySelector(".k-until time");
    const fresh = time.cloneNode();
    fresh.dateTime = new Date(until).toISOString();
    fresh.title = `${fresh.dateTime.slice(0, 19).replace("T", " ")} UTC`;
    fresh.textContent = fresh.dateTime.slice(0, 16).replace("T", " ");
    delete fresh.dataset.local;
    time.replaceWith(fresh);
}

function look() {
    const until = Number(page().dataset.leaseMs);
    if (!until) return;
    const isUsed = !document.hidden && state.active > state.renewed;
    if (isUsed && Date.now() - state.renewed > RENEW_MS) renew().catch(() => {});
    else if (Date.now() > until) lost("Your time with this case has run out: somebody else may be handed it. Go on, and it is yours again if nobody was.");
}

function begin() {
    state.renewed = Date.now();
    const undo = page().querySelector("[data-undo-ms]");
    if (!undo) return;
    const end = Date.now() + Number(undo.dataset.undoMs);
    const timer = setInterval(() => {
        const left = Math.ceil((end - Date.now()) / 1000);
        if (!undo.isConnected || left <= 0) { clearInterval(timer); undo.remove(); return; }
        undo.querySelector(".k-left").textContent = `${left} s`;
    }, 250);
}

document.addEventListener("submit", event => {
    if (!event.target.matches("[data-swap]")) return;
    event.preventDefault();
    if (!state.isBusy) send(event.target, event.submitter);
});
window.addEventListener("popstate", () => location.reload());
for (const name of ["keydown", "pointerdown", "pointermove", "wheel"]) {
    document.addEventListener(name, () => { state.active = Date.now(); }, {passive: true});
}
document.addEventListener("visibilitychange", look);
setInterval(look, LOOK_MS);
begin();
