// What the page gains where JavaScript runs: it shows what is new as it comes, and leaves alone what somebody is typing.
"use strict";

const page = document.body.dataset;
const address = page.at + (page.thread ? "?thread=" + encodeURIComponent(page.thread) : "");

const toEnd = () => {
  for (const log of document.querySelectorAll(".log")) log.scrollTop = log.scrollHeight;
};

// take puts what is new into the page. A window is exchanged only when it is another one, or was filled anew.
const take = (fresh) => {
  for (const part of document.querySelectorAll("[data-live]")) {
    const now = fresh.getElementById(part.id);
    if (!now || part.innerHTML === now.innerHTML || part.contains(document.activeElement) && document.activeElement.matches("select")) continue;
    const atEnd = part.scrollHeight - part.scrollTop - part.clientHeight < 80;
    part.innerHTML = now.innerHTML;
    if (atEnd) part.scrollTop = part.scrollHeight;
  }
  const shown = document.getElementById("window");
  const now = fresh.getElementById("window");
  if (now && now.dataset.version !== shown.dataset.version) {
    shown.innerHTML = now.innerHTML;
    shown.dataset.version = now.dataset.version;
    enter();
  }
};

// enter puts the keyboard where somebody goes on: into the window that is open.
const enter = () => {
  const first = document.querySelector("#window :is(input:not([type=hidden]), select, textarea)");
  if (first) first.focus();
};

let looking = false;
let again = false;
const look = async () => {
  if (looking) {
    again = true;
    return;
  }
  looking = true;
  try {
    const answer = await fetch(address);
    if (answer.ok) take(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    // The simulation has ended. The stream of news connects again when there is another.
  }
  looking = false;
  if (again) {
    again = false;
    look();
  }
};

new EventSource(page.at + "/news?seen=" + page.seen).addEventListener("message", look);

document.addEventListener("keydown", (event) => {
  const close = document.querySelector("#window .close");
  if (event.key === "Escape" && close) close.click();
});

toEnd();
enter();
