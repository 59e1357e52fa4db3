// Keys, and nothing else: every page works without this file.
"use strict";

(() => {
  let waiting = false; // for the second key after "g"

  const isTyping = (element) =>
    element.isContentEditable || ["INPUT", "SELECT", "TEXTAREA"].includes(element.tagName);

  const go = (link) => {
    if (link) link.click();
    return Boolean(link);
  };

  const second = (key) => go(document.querySelector(`nav a[data-key="${CSS.escape(key)}"]`));

  const first = (key) => {
    switch (key) {
      case "g":
        waiting = true;
        setTimeout(() => { waiting = false; }, 1500);
        return true;
      case "/": {
        const field = document.querySelector("[data-search]");
        if (field) field.focus();
        return Boolean(field);
      }
      case "p":
        return go(document.getElementById("pause"));
      case "?":
        location.assign("/help#keys");
        return true;
      default:
        return false;
    }
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    const done = waiting ? second(event.key) : first(event.key);
    if (event.key !== "g") waiting = false;
    if (done) event.preventDefault();
  });
})();
