// The head checkbox of a list ticks or clears all boxes below, and the number of ticked ones stands beside the buttons.
(function () {
  "use strict";
  function boxes(formId) {
    return Array.prototype.slice.call(document.querySelectorAll("input[data-select-one][form='" + formId + "']"));
  }
  function count(formId) {
    var all = boxes(formId);
    var ticked = all.filter(function (box) { return box.checked; }).length;
    document.querySelectorAll("[data-select-count='" + formId + "']").forEach(function (spot) { spot.textContent = String(ticked); });
    document.querySelectorAll("input[data-select-all='" + formId + "']").forEach(function (head) {
      head.checked = ticked > 0 && ticked === all.length;
      head.indeterminate = ticked > 0 && ticked < all.length;
    });
  }
  function countAll() {
    document.querySelectorAll("input[data-select-all]").forEach(function (head) { count(head.getAttribute("data-select-all")); });
  }
  document.addEventListener("change", function (event) {
    var head = event.target.getAttribute("data-select-all");
    if (head) {
      boxes(head).forEach(function (box) { box.checked = event.target.checked; });
      count(head);
    } else if (event.target.hasAttribute("data-select-one")) {
      count(event.target.getAttribute("form"));
    }
  });
  document.addEventListener("htmx:after:swap", countAll);
  window.addEventListener("pageshow", countAll);
})();
