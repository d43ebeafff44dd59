// 「表示」 beside a password field: shows what was typed, and hides it again before the form is sent.
(function () {
  "use strict";
  function set(button, visible) {
    var field = document.getElementById(button.getAttribute("data-reveal"));
    if (!field) { return; }
    field.type = visible ? "text" : "password";
    button.setAttribute("aria-pressed", visible ? "true" : "false");
    button.textContent = button.getAttribute(visible ? "data-hide" : "data-show");
  }
  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-reveal]");
    if (button) { set(button, button.getAttribute("aria-pressed") !== "true"); }
  });
  // A visible password field would be offered by the browser's form history.
  document.addEventListener("submit", function (event) {
    event.target.querySelectorAll("[data-reveal]").forEach(function (button) { set(button, false); });
  });
  document.addEventListener("keyup", function (event) {
    var hint = event.target.id ? document.getElementById(event.target.id + "-caps") : null;
    if (hint && event.getModifierState) { hint.hidden = !event.getModifierState("CapsLock"); }
  });
})();
