// A permission box that was ticked before the scripts were at work, or filled in by the browser after 戻る, is sent now:
// what the page shows must be what is kept.
(function () {
  "use strict";
  window.addEventListener("pageshow", function () {
    document.querySelectorAll(".td-permission input[type=checkbox]").forEach(function (box) {
      if (box.checked !== box.defaultChecked) { box.dispatchEvent(new Event("change", { bubbles: true })); }
    });
  });
})();
