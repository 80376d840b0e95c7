// Keys for those who work without a mouse. Every page works without this, and single keys can be switched off.
(() => {
  const COOKIE = "desk_keys=off";
  const isOff = () => document.cookie.split("; ").includes(COOKIE);
  const seen = (element) => element.getClientRects().length > 0;
  const one = (selector) => [...document.querySelectorAll(selector)].find(seen);
  const rows = () =>
    [...document.querySelectorAll("#result_list tr.data-row, table[data-rows] tbody tr")].filter(seen);
  const isTyping = (element) =>
    element.isContentEditable ||
    ["TEXTAREA", "SELECT"].includes(element.tagName) ||
    (element.tagName === "INPUT" && !["checkbox", "radio", "button", "submit", "reset"].includes(element.type));
  let here = -1;

  const go = (by) => {
    const all = rows();
    if (!all.length) return false;
    const focused = all.findIndex((row) => row.contains(document.activeElement));
    here = Math.max(0, Math.min(all.length - 1, (focused >= 0 ? focused : here) + by));
    all.forEach((row, place) => row.classList.toggle("desk-row-here", place === here));
    const target = all[here].querySelector("th a[href], td a[href]") || all[here];
    if (target === all[here]) target.tabIndex = -1;
    target.focus({ preventScroll: true });
    all[here].scrollIntoView({ block: "nearest" });
    return true;
  };

  const select = () => {
    const row = rows()[here];
    const box = row && row.querySelector("input.action-select");
    if (box) box.click();
    return Boolean(box);
  };

  // A page names its own keys: data-key on a link, a button or a field; in a folded menu too, if none is in sight.
  const keyed = (key) => {
    const all = [...document.querySelectorAll("[data-key]")].filter((element) => element.dataset.key === key);
    return all.find(seen) || all[0];
  };
  const press = (key) => {
    const element = keyed(key);
    if (!element) return false;
    if (isTyping(element)) element.focus();
    else element.click();
    return true;
  };

  const search = () => {
    const box = one("#desk-q");
    if (!box) return false;
    box.focus();
    box.select();
    return true;
  };

  const words = (element) =>
    element.dataset.keyWords || element.getAttribute("aria-label") || element.placeholder || element.innerText;

  const help = () => {
    const dialog = document.getElementById("desk-keys");
    if (!dialog || dialog.open) return false;
    const body = dialog.querySelector("tbody");
    body.querySelectorAll("[data-own]").forEach((row) => row.remove());
    body.querySelectorAll("[data-rows-only]").forEach((row) => (row.hidden = !rows().length));
    const known = new Set();
    for (const element of document.querySelectorAll("[data-key]")) {
      if (known.has(element.dataset.key)) continue;
      known.add(element.dataset.key);
      const row = body.insertRow();
      row.dataset.own = "";
      const mark = document.createElement("kbd");
      mark.textContent = element.dataset.key;
      row.insertCell().append(mark);
      const icon = element.querySelector(".material-symbols-outlined");
      const text = words(element).replace(icon ? icon.textContent.trim() : "", "");
      row.insertCell().textContent = text.replace(/\s+/g, " ").trim();
    }
    dialog.querySelector("input").checked = !isOff();
    dialog.showModal();
    return true;
  };

  const KEYS = { "/": search, "?": help, j: () => go(1), k: () => go(-1), x: select };

  document.addEventListener(
    "keydown",
    (event) => {
      const { key, target } = event;
      if (key === "Escape" && target.id === "desk-q") target.blur();
      if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || key.length !== 1) return;
      if (isOff() || isTyping(target) || document.querySelector("dialog[open]")) return;
      if (KEYS[key] ? KEYS[key]() : press(key)) {
        event.preventDefault();
        event.stopImmediatePropagation();
      }
    },
    true,
  );

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-keys-help]")) help();
  });

  document.addEventListener("change", (event) => {
    if (!event.target.matches("#desk-keys input")) return;
    const age = event.target.checked ? 0 : 31536000;
    document.cookie = `${COOKIE}; path=/admin/; max-age=${age}; samesite=lax`;
  });

  document.addEventListener("DOMContentLoaded", () => {
    for (const button of document.querySelectorAll("[data-keys-help]")) button.hidden = false;
  });
})();
