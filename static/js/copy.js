// 「コピー」 beside receipt numbers, and 「両方の欄に入れる」 for a suggested password.
(function () {
  "use strict";
  function copyOld(source) {
    // navigator.clipboard needs https or localhost; a page served over plain http still has the old command.
    var range = document.createRange();
    range.selectNodeContents(source);
    var selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    return document.execCommand("copy");
  }
  function done(button) { button.textContent = button.getAttribute("data-done"); }

  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-copy]");
    if (button) {
      var source = document.getElementById(button.getAttribute("data-copy"));
      if (navigator.clipboard && window.isSecureContext) {
        navigator.clipboard.writeText(source.textContent.trim()).then(
          function () { done(button); },
          function () { if (copyOld(source)) { done(button); } }
        );
      } else if (copyOld(source)) {
        done(button);
      }
      return;
    }
    var filler = event.target.closest("[data-fill]");
    if (filler) {
      var words = document.getElementById(filler.getAttribute("data-fill-from")).textContent.trim();
      filler.getAttribute("data-fill").split(" ").forEach(function (id) {
        var field = document.getElementById(id);
        if (field) { field.value = words; }
      });
      done(filler);
    }
  });
})();
