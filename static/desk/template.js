// Puts a variable where the cursor is. Without this script variables are copied by hand.
"use strict";
(() => {
  const fields = document.querySelectorAll("#text-form textarea, #text-form input[name=subject]");
  let field = document.querySelector("#text-form textarea");
  fields.forEach((one) => one.addEventListener("focus", () => { field = one; }));
  if (!field) return;
  document.querySelectorAll("[data-insert]").forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", () => {
      field.setRangeText(`{{ ${button.dataset.insert} }}`, field.selectionStart, field.selectionEnd, "end");
      field.focus();
    });
  });
})();
