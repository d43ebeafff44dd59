// Small things every page shares: the mark that scripts run, IME-safe Enter, confirmation of plain forms,
// notices that stay until dismissed, the notice before the service closes, the moment of printing, and window.todoke,
// where scripts find each other.
(function () {
  "use strict";
  document.documentElement.classList.add("td-js");

  function commas(number) { return String(number).replace(/\B(?=(\d{3})+$)/g, ","); }
  function isZip(file) { return /\.zip$/i.test(file.name); }
  window.todoke = { commas: commas, isZip: isZip };

  // Enter that only ends an IME conversion must not send the form.
  document.addEventListener("keydown", function (event) {
    if (event.key === "Enter" && (event.isComposing || event.keyCode === 229)) {
      if (event.target.tagName === "INPUT") { event.preventDefault(); }
    }
  }, true);

  // What a form asks before it is sent, by the pressed button or by the form itself; {} is the number of its ticked
  // rows. With none ticked it asks nothing: the server says that none is.
  function question(form, button) {
    var words = (button && button.getAttribute("data-confirm")) || form.getAttribute("data-confirm") || "";
    if (words.indexOf("{}") < 0) { return words; }
    var ticked = document.querySelectorAll("input[data-select-one][form='" + form.id + "']:checked").length;
    return ticked ? words.replace("{}", String(ticked)) : "";
  }

  // Forms that htmx sends ask through hx-confirm; all others through data-confirm.
  document.addEventListener("submit", function (event) {
    var words = question(event.target, event.submitter);
    if (words && !window.confirm(words)) { event.preventDefault(); event.stopImmediatePropagation(); }
  }, true);

  // The answer to such a form is a file, the page stays: it is shown anew, as it is once the file was asked for.
  document.addEventListener("submit", function (event) {
    if (event.target.closest("[data-then-reload]")) {
      window.setTimeout(function () { window.location.reload(); }, 2000);
    }
  });

  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-dismiss]");
    if (!button) { return; }
    var notice = button.closest(".td-notice");
    if (notice) { notice.remove(); }
    var main = document.getElementById("main");
    if (main) { main.focus(); }
  });

  // The notice that the service is about to close stands hidden on the page until it is time.
  document.querySelectorAll("[data-closing][hidden]").forEach(function (notice) {
    window.setTimeout(function () { notice.hidden = false; }, 1000 * Number(notice.getAttribute("data-closing")));
  });

  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("[data-print-time]").forEach(function (spot) {
      spot.textContent = new Date().toLocaleString("ja-JP", { timeZone: "Asia/Tokyo" });
    });
  });
})();
