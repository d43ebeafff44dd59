// The remaining session time in the header, and notes 10 and 5 minutes before it ends. All words stand in the page.
(function () {
  "use strict";
  var clock = document.querySelector("[data-session]");
  if (!clock) { return; }

  var loaded = Date.now();
  var touched = loaded;
  var absolute = Number(clock.getAttribute("data-seconds-left"));
  var idle = Number(clock.getAttribute("data-idle-seconds"));
  var shown = {};

  // Looked up each time: the main part of the page may have been replaced since.
  function notes() { return document.getElementById("td-session-notes"); }
  function left(limit, since) { return limit - (Date.now() - since) / 1000; }

  function show(name, minutes) {
    var key = name + minutes;
    var form = document.getElementById("td-session-" + name);
    if (shown[key] || !form || !notes()) { return; }
    shown[key] = true;
    notes().textContent = "";
    var note = form.content.cloneNode(true);
    note.firstElementChild.setAttribute("data-note", name);
    note.querySelectorAll("[data-minutes]").forEach(function (spot) { spot.textContent = String(minutes); });
    notes().appendChild(note);
  }

  function warn(name, seconds) {
    if (seconds <= 0) { show("over", 0); } else if (seconds <= 300) { show(name, 5); } else if (seconds <= 600) { show(name, 10); }
  }

  function tick() {
    var byClock = left(absolute, loaded);
    var byIdle = left(idle, touched);
    // The clock of the whole session is shown; idleness takes its place only when it is about to end the session first.
    var shownSeconds = byIdle <= 600 ? Math.min(byClock, byIdle) : byClock;
    var soonest = Math.max(0, shownSeconds);
    var spot = clock.querySelector("[data-session-minutes]");
    var words = String(soonest > 60 ? Math.ceil(soonest / 60) : Math.ceil(soonest));
    spot.textContent = words + clock.getAttribute(soonest > 60 ? "data-unit-minutes" : "data-unit-seconds");
    clock.classList.toggle("td-session--low", soonest <= 600);
    if (byClock <= byIdle) { warn("absolute", byClock); } else { warn("idle", byIdle); }
  }

  function keepOn() {
    touched = Date.now();
    Object.keys(shown).forEach(function (key) { if (key.indexOf("idle") === 0) { delete shown[key]; } });
    var note = document.querySelector("[data-note='idle']");
    if (note) { note.remove(); }
    tick();
  }

  // What a person sends counts as being there; polling (GET by htmx) doesn't.
  document.addEventListener("htmx:after:request", function (event) {
    if (event.detail.ctx.request.method !== "GET") { keepOn(); }
  });

  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-keep-session]");
    if (!button) { return; }
    event.preventDefault();
    fetch(clock.getAttribute("data-keep-url"), { credentials: "same-origin", redirect: "manual" }).then(function (answer) {
      if (answer.ok) { keepOn(); } else { show("over", 0); }
    });
  });

  tick();
  window.setInterval(tick, 1000);
})();
