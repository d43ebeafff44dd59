// A field marked data-narrow="id" shows, of the choices in that box, those whose words contain what is typed.
// What is ticked stays ticked, seen or not. The field has no name: nothing of it is sent.
(function () {
  "use strict";
  function plain(text) { return text.normalize("NFKC").toLowerCase().replace(/\s+/g, ""); }

  function narrow(field) {
    var box = document.getElementById(field.getAttribute("data-narrow"));
    var wanted = plain(field.value);
    var seen = 0;
    box.querySelectorAll("[data-narrow-one]").forEach(function (one) {
      one.hidden = wanted !== "" && plain(one.textContent).indexOf(wanted) < 0;
      seen += one.hidden ? 0 : 1;
    });
    var spot = document.getElementById(field.getAttribute("data-narrow-count"));
    spot.textContent = wanted === "" ? "" : spot.getAttribute("data-words").replace("{}", String(seen));
  }

  function isNarrowing(event) { return event.target.hasAttribute && event.target.hasAttribute("data-narrow"); }

  document.addEventListener("input", function (event) {
    if (isNarrowing(event)) { narrow(event.target); }
  });
  document.addEventListener("keydown", function (event) {
    if (event.key === "Enter" && isNarrowing(event)) { event.preventDefault(); }  // it would send the whole form
  });
  window.addEventListener("pageshow", function () {
    document.querySelectorAll("[data-narrow]").forEach(function (field) { if (field.value) { narrow(field); } });
  });
})();
