// What the pages need beyond HTML, CSS and htmx. Everything hangs on data attributes, so that fragments which
// htmx brings need no setup. Without this file all pages still work.
(() => {
  "use strict";

  const texts = () => document.getElementById("texts")?.dataset ?? {};
  const dialog = () => document.getElementById("dialog");

  // Toasts -------------------------------------------------------------------------------------------------

  function dismiss(toast) {
    toast.classList.add("is-leaving");
    setTimeout(() => toast.remove(), 220);
  }

  function settle(toast) {
    if (toast.dataset.settled) return;
    toast.dataset.settled = "true";
    // An error stays until it is read; the pointer on a toast, or the focus in it, keeps any other.
    if (toast.matches(".toast-error, .toast-warning")) return;
    const leave = () => (toast.matches(":hover, :focus-within") ? setTimeout(leave, 1500) : dismiss(toast));
    setTimeout(leave, 6000);
  }

  function settleAll() {
    document.querySelectorAll("#toasts [data-toast]").forEach(settle);
  }

  function showToast(text) {
    const template = document.getElementById("toast-template");
    const region = document.getElementById("toasts");
    if (!template || !region || !text) return;
    const already = [...region.querySelectorAll("[data-toast] p")].some((p) => p.textContent === text);
    if (already) return;
    const toast = template.content.firstElementChild.cloneNode(true);
    toast.querySelector("p").textContent = text;
    region.append(toast);
  }

  // Copying ------------------------------------------------------------------------------------------------

  async function copy(text, button) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      showToast(texts().copyFailed);
      return;
    }
    button.classList.add("is-copied");
    announce(texts().copied);
    setTimeout(() => button.classList.remove("is-copied"), 1500);
  }

  function announce(text) {
    const region = document.getElementById("announce");
    if (region) region.textContent = text;
  }

  // Dialogs ------------------------------------------------------------------------------------------------

  let opener = null;

  function openDialog(element) {
    opener = document.activeElement;
    element.showModal();
    focusFirst(element);
  }

  function focusFirst(element) {
    const first =
      element.querySelector("[aria-invalid=true], [autofocus]") ??
      element.querySelector(".dialog-body :is(input:not([type=hidden]), select, textarea):not(:disabled)") ??
      element.querySelector("button");
    first?.focus();
  }

  function loadDialog(link) {
    const target = dialog();
    if (!target || !window.htmx) return false;
    opener = link;
    window.htmx.ajax("GET", link.getAttribute("href") ?? link.dataset.dialogOpen, {
      source: link, target: "#dialog", swap: "innerHTML",
    });
    return true;
  }

  function closed(event) {
    if (!(event.target instanceof HTMLDialogElement)) return;
    if (event.target.id === "dialog") event.target.replaceChildren();
    // What opened it may have been replaced by a fragment meanwhile: then its successor gets the focus.
    const back = opener?.isConnected ? opener : opener?.id && document.getElementById(opener.id);
    (back || document.getElementById("main"))?.focus({ preventScroll: true });
    opener = null;
  }

  // Ticked rows, kept over pages of one list in this tab --------------------------------------------------------

  const key = (list) => `selection:${list}`;

  function selected(list) {
    try {
      return new Set(JSON.parse(sessionStorage.getItem(key(list)) ?? "[]"));
    } catch {
      return new Set();
    }
  }

  function storeSelection(list, chosen) {
    sessionStorage.setItem(key(list), JSON.stringify([...chosen]));
    showSelection();
  }

  function showSelection() {
    for (const root of document.querySelectorAll("[data-select-list]")) {
      const chosen = selected(root.dataset.selectList);
      const boxes = [...root.querySelectorAll("[data-select-row]")];
      for (const box of boxes) {
        box.checked = chosen.has(box.dataset.selectRow);
        box.closest("tr")?.setAttribute("aria-selected", String(box.checked));
      }
      const ticked = boxes.filter((box) => box.checked).length;
      for (const all of root.querySelectorAll("[data-select-all]")) {
        all.checked = boxes.length > 0 && ticked === boxes.length;
        all.indeterminate = ticked > 0 && ticked < boxes.length;
      }
      root.querySelectorAll("[data-select-count]").forEach((el) => (el.textContent = chosen.size.toLocaleString()));
      root.querySelectorAll("[data-select-bar]").forEach((el) => (el.hidden = chosen.size === 0));
    }
  }

  let lastTicked = null;

  function tick(box, event) {
    const root = box.closest("[data-select-list]");
    if (!root) return;
    const list = root.dataset.selectList;
    const chosen = selected(list);
    const boxes = [...root.querySelectorAll("[data-select-row]")];
    let affected = box.matches("[data-select-all]") ? boxes : [box];
    // Shift takes in all rows between the last tick and this one.
    if (event.shiftKey && lastTicked?.isConnected && boxes.includes(lastTicked) && boxes.includes(box)) {
      const [from, to] = [boxes.indexOf(lastTicked), boxes.indexOf(box)].sort((a, b) => a - b);
      affected = boxes.slice(from, to + 1);
    }
    for (const one of affected) chosen[box.checked ? "add" : "delete"](one.dataset.selectRow);
    lastTicked = box;
    storeSelection(list, chosen);
  }

  // A form of the selection's bar takes the ticked rows along; a plan that was made of them has done with them.
  // One whose answer is shown once is sent once: the second click of a double one would have its answer lost.
  function submit(event) {
    const form = event.target;
    if (form.matches("[data-once]")) {
      if (form.dataset.sent) return event.preventDefault();
      form.dataset.sent = "yes";
      setTimeout(() => delete form.dataset.sent, 3000);
    }
    if (form.matches("[data-select-form]")) {
      const list = form.closest("[data-select-list]").dataset.selectList;
      form.querySelector("[name=giccids], [data-ticked]").value = [...selected(list)].join("\n");
    } else if (form.dataset.selectForget) sessionStorage.removeItem(key(form.dataset.selectForget));
  }

  // Keyboard -----------------------------------------------------------------------------------------------

  function rows() {
    return [...document.querySelectorAll("[data-rows] tbody tr")].filter((row) => row.querySelector("[data-row-link], a"));
  }

  function moveRow(step) {
    const all = rows();
    if (!all.length) return;
    const now = all.findIndex((row) => row.classList.contains("is-current"));
    const next = all[now < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, now + step))];
    all.forEach((row) => row.classList.toggle("is-current", row === next));
    const link = next.querySelector("[data-row-link]") ?? next.querySelector("a");
    link.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  }

  const currentRow = () => document.querySelector("[data-rows] tr.is-current");

  const GO_WITHIN = 1500; // milliseconds between "g" and the letter
  let goes = 0;

  const shortcuts = {
    "/": () => {
      const search = document.getElementById("search");
      search?.focus();
      search?.select();
      return Boolean(search);
    },
    "?": () => {
      const help = document.getElementById("shortcuts");
      if (help) openDialog(help);
      return Boolean(help);
    },
    g: () => {
      goes = Date.now();
      return true;
    },
    j: () => (moveRow(1), true),
    k: () => (moveRow(-1), true),
    x: () => {
      const box = currentRow()?.querySelector("[data-select-row]");
      box?.click();
      return Boolean(box);
    },
  };

  // "g" and then a letter: an entry of the navigation.
  function go(key) {
    const begun = Date.now() - goes < GO_WITHIN;
    goes = 0;
    const link = begun && document.querySelector(`[data-go="${CSS.escape(key)}"] > .nav-link`);
    if (link) link.click();
    return Boolean(link);
  }

  function keydown(event) {
    const target = event.target;
    const typing = target.matches?.("input:not([type=checkbox], [type=radio]), select, textarea, [contenteditable]");
    if (event.key === "Escape") {
      if (target.id === "search") {
        event.preventDefault(); // a browser would empty the box
        target.blur();
      }
      const dropdown = target.closest?.("details.dropdown[open]");
      if (dropdown) {
        dropdown.open = false;
        dropdown.querySelector("summary")?.focus();
      }
      return;
    }
    if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (go(event.key)) return event.preventDefault();
    if (event.key === "Enter" && target === document.body) currentRow()?.querySelector("[data-row-link]")?.click();
    else if (Object.hasOwn(shortcuts, event.key) && shortcuts[event.key]()) event.preventDefault();
  }

  // One listener for each kind of event --------------------------------------------------------------------------

  function click(event) {
    const find = (selector) => event.target.closest?.(selector);
    for (const open of document.querySelectorAll("details.dropdown[open]")) {
      if (!open.contains(event.target)) open.open = false;
    }
    if (event.target instanceof HTMLDialogElement) return event.target.close(); // the backdrop
    let element;
    if ((element = find("[aria-disabled=true]"))) event.preventDefault();
    else if ((element = find("[data-copy]"))) copy(element.dataset.copy, element);
    else if ((element = find("[data-toast-close]"))) dismiss(element.closest("[data-toast]"));
    else if ((element = find("[data-dialog-close]")) && element.closest("dialog")) {
      event.preventDefault();
      element.closest("dialog").close();
    } else if ((element = find("[data-dialog-show]"))) {
      const target = document.getElementById(element.dataset.dialogShow);
      document.getElementById("nav")?.matches(":popover-open") && document.getElementById("nav").hidePopover();
      if (target) openDialog(target);
    } else if ((element = find("[data-dialog-open]"))) {
      const plain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey;
      if (plain && loadDialog(element)) event.preventDefault();
    } else if ((element = find("[data-select-row], [data-select-all]"))) tick(element, event);
    else if ((element = find("[data-select-clear]"))) {
      storeSelection(element.closest("[data-select-list]").dataset.selectList, new Set());
    } else if ((element = find("[data-select-copy]"))) {
      copy([...selected(element.closest("[data-select-list]").dataset.selectList)].join("\n"), element);
    }
    return undefined;
  }

  document.addEventListener("click", click);
  document.addEventListener("submit", submit, true); // before htmx reads the form
  document.addEventListener("keydown", keydown);
  document.addEventListener("close", closed, true);
  document.addEventListener("dialog:close", () => dialog()?.open && dialog().close());

  document.addEventListener("htmx:afterSwap", (event) => {
    const target = dialog();
    if (!target) return;
    if (event.detail.target === target && target.childElementCount && !target.open) target.showModal();
    if (target.open && target.contains(event.detail.elt)) focusFirst(target);
  });
  document.addEventListener("htmx:afterSettle", showSelection);
  document.addEventListener("htmx:responseError", (event) => {
    const { status } = event.detail.xhr;
    const text = { 403: texts().denied, 404: texts().gone, 503: texts().notStored }[status] ?? texts().serverError;
    // A page that polls asks again by itself: one lost answer is not worth a word.
    if (!polls(event.detail.elt)) showToast(text);
  });
  for (const name of ["htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(name, (event) => polls(event.detail.elt) || showToast(texts().networkError));
  }

  // What a page asks by itself does not keep a sign-in alive: a screen left alone signs out.
  document.addEventListener("htmx:configRequest", (event) => {
    if (polls(event.detail.elt)) event.detail.headers["X-Poll"] = "true";
  });

  // New rows wait while somebody reads: the pointer or the focus is among those that are there.
  document.addEventListener("htmx:configRequest", (event) => {
    const reads = document.querySelector("#results tbody:is(:hover, :focus-within)");
    const asks = ["list-rows", "list-poll"].includes(event.detail.elt.id);
    // What one has just done oneself is to be seen at once.
    if (asks && reads && event.detail.triggeringEvent?.type !== "list-changed") event.detail.parameters.hold = "1";
  });

  // What somebody has opened in a part of the page stays open when the part is brought up to date.
  document.addEventListener("htmx:oobBeforeSwap", ({ detail: { target, fragment } }) => {
    const fresh = fragment.querySelectorAll("details");
    target.querySelectorAll("details").forEach((details, at) => fresh[at]?.toggleAttribute("open", details.open));
  });

  function polls(element) {
    return /every\s/.test(element?.getAttribute?.("hx-trigger") ?? "");
  }

  window.addEventListener("pageshow", showSelection);
  const region = document.getElementById("toasts");
  if (region) new MutationObserver(settleAll).observe(region, { childList: true });
  settleAll();
  showSelection();
  document.querySelector("form[data-go-on]")?.requestSubmit();
})();
