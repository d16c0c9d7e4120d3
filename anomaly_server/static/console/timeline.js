// The timeline: arrow keys go from payment to payment, + and - zoom, and its links are followed in place.
// Without this script the links lead to the same page with another stretch of time.

const panel = () => document.getElementById("timeline");
const points = () => [...panel().querySelectorAll(".t-area [role=img]")]
    .map(one => ({one, x: parseFloat((one.querySelector("circle") || one).getAttribute("cx"))}))
    .sort((a, b) => a.x - b.x).map(({one}) => one);

function tell(point) {
    const told = panel().querySelector(".t-told");
    if (told) told.textContent = point ? point.getAttribute("aria-label") : "";
}

function go(point) {
    panel().querySelectorAll(".t-area [tabindex='0']").forEach(one => one.setAttribute("tabindex", "-1"));
    point.setAttribute("tabindex", "0");
    point.focus();
}

const STEPS = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: 1, ArrowDown: -1, Home: -Infinity, End: Infinity};

function arrow(event) {
    const all = points();
    const place = Math.max(0, all.indexOf(event.target.closest("[role=img]"))) + STEPS[event.key];
    event.preventDefault();
    go(all[Math.min(Math.max(place, 0), all.length - 1)]);
}

async function follow(link) {
    const focused = {days: link.dataset.days, key: link.dataset.key};
    const answer = await fetch(link.href, {headers: {"X-Console-Part": "timeline"}});
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const drawn = page.getElementById("timeline");
    if (!answer.ok || !drawn) { location = link.href; return; }
    panel().replaceWith(document.adoptNode(drawn));
    const again = focused.days ? `[data-days="${focused.days}"]` : `[data-key="${focused.key}"]`;
    panel().querySelector(`a${again}`)?.focus();
}

function zoom(step) {
    const links = [...panel().querySelectorAll("[data-days]")].sort((a, b) => b.dataset.days - a.dataset.days);
    const link = links[links.findIndex(one => one.classList.contains("on")) + step];
    if (link) follow(link);
}

document.addEventListener("click", event => {
    const link = event.target.closest("a[data-timeline]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    follow(link);
});
document.addEventListener("keydown", event => {
    if (!panel() || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, select")) return;
    if (event.target.closest(".t-area") && event.key in STEPS) arrow(event);
    else if (event.key === "+" || event.key === "=") zoom(1);
    else if (event.key === "-") zoom(-1);
});
document.addEventListener("focusin", event => {
    if (event.target.closest?.(".t-area")) tell(event.target.closest("[role=img]"));
});
document.addEventListener("mouseover", event => {
    const point = event.target.closest?.(".t-area [role=img]");
    if (point) tell(point);
});
