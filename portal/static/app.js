// What the pages gain where JavaScript runs: buttons that copy, and a form that shows the chosen engine's extensions only.
"use strict";

document.documentElement.classList.add("js");

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent);
    button.textContent = "Copied";
  } catch {
    // No clipboard over plain http: select the text, so that the keyboard can copy it.
    getSelection().selectAllChildren(source);
    button.textContent = "Selected";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
});

const engine = document.getElementById("engine");
if (engine) {
  const show = () => {
    for (const part of document.querySelectorAll("[data-engine]")) {
      part.hidden = part.dataset.engine !== engine.value.split("/")[0];
    }
  };
  engine.addEventListener("change", show);
  show();
}
