// What is better with a script. Every page works without it.
"use strict";
(() => {
  // A menu that is open closes by Escape, and by a click beside it.
  const open = () => document.querySelectorAll("details.who[open]");
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const one of open()) {
      one.open = false;
      one.querySelector("summary").focus();
    }
  });
  document.addEventListener("click", (event) => {
    for (const one of open()) if (!one.contains(event.target)) one.open = false;
  });

  // News of a list is counted above it, and nothing moves: the reader renews the list.
  const fates = {
    new: ["raised", "reopened", "failed"],
    ended: ["closed", "withdrawn", "settled"],
    changed: ["acknowledged", "appealed", "decided"],
  };
  for (const place of document.querySelectorAll("[data-stream]")) {
    const { stream, item, kind } = place.dataset;
    const counted = { new: new Set(), ended: new Set(), changed: new Set() };
    const events = new EventSource(stream);
    const count = (fate) => (event) => {
      const one = JSON.parse(event.data);
      if ((item && one.matter !== item) || (kind && one.commitment.split("/")[0] !== kind)) return;
      counted[fate].add(`${one.case_id} ${one.commitment} ${one.rung || one.issue}`);
      const parts = Object.keys(counted).filter((name) => counted[name].size);
      const words = parts.map((name) => place.dataset[name].replace("{n}", counted[name].size));
      place.querySelector("[data-news]").textContent = words.join(document.documentElement.lang === "en" ? ", " : "，");
      place.hidden = false;
    };
    for (const fate of Object.keys(fates)) {
      for (const name of fates[fate]) events.addEventListener(name, count(fate));
    }
    addEventListener("pagehide", () => events.close());
  }

  // The wall display: it turns when the server answers, and else says that the connection is lost.
  const turn = document.querySelector("[data-next]");
  if (turn) {
    const next = async () => {
      try {
        const answer = await fetch(turn.dataset.next, { redirect: "manual" });
        if (answer.type === "opaqueredirect" || answer.status < 500) return location.replace(turn.dataset.next);
      } catch {
        // below
      }
      document.querySelector(".lost[role]").hidden = false;
      setTimeout(next, 5000);
    };
    setTimeout(next, 1000 * turn.dataset.turns);
  }

  // Single keys: outside of fields only, not while an input method composes, and not where they are turned off.
  const help = document.getElementById("keys");
  if (!help) return;
  const OFF = "onedoor-keys-off";
  const places = { b: "/board", d: "/desk", o: "/ops", u: "/overdue", a: "/alerts" };
  const choice = help.querySelector("input");
  choice.checked = localStorage.getItem(OFF) !== null;
  choice.addEventListener("change", () => {
    if (choice.checked) localStorage.setItem(OFF, "1");
    else localStorage.removeItem(OFF);
  });
  let going = false;
  const step = (by) => {
    const rows = [...document.querySelectorAll("tr[data-row]")];
    const now = rows.findIndex((row) => row.contains(document.activeElement));
    const row = rows[Math.min(Math.max(now + by, 0), rows.length - 1)];
    const target = row && (row.querySelector("a, button") || row.querySelector("input"));
    if (target) target.focus();
  };
  const follow = (selector) => {
    const link = document.querySelector(selector);
    if (link) link.click();
  };
  const acts = {
    j: () => step(1),
    k: () => step(-1),
    x: () => {
      const row = document.activeElement.closest("tr[data-row]");
      const box = row && row.querySelector("input[type=checkbox]");
      if (box) box.click();
    },
    "/": () => {
      const field = document.querySelector(".seek input, .filters select, .filters input:not([type=hidden])");
      if (field) field.focus();
    },
    "[": () => follow("a[rel=prev]"),
    "]": () => follow("a[rel=next]"),
    "?": () => help.showModal(),
    g: () => {
      going = true;
    },
  };
  document.addEventListener("keydown", (event) => {
    if (event.isComposing || event.keyCode === 229 || event.altKey || event.metaKey) return;
    const { target } = event;
    if (event.ctrlKey) {
      if (event.key === "Enter" && target.form && target.form.method === "post") target.form.requestSubmit();
      return;
    }
    const typing = target.closest("select, textarea, input:not([type=checkbox]):not([type=radio]), dialog");
    if (typing || choice.checked || event.key.length !== 1) return;
    const key = event.key.toLowerCase();
    const act = going ? places[key] && (() => follow(`.menu a[href="${places[key]}"]`)) : acts[key];
    going = false;
    if (!act) return;
    event.preventDefault();
    act();
  });
})();
