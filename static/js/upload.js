// Forms marked data-upload: a size check before anything is sent, a progress bar and a way to stop (drop.js: the drop area;
// pack.js: files that are made a ZIP of first). Without this script the same form is an ordinary multipart form. All words
// stand in the form's data-… attributes.
(function () {
  "use strict";
  if (!window.FormData || !window.DOMParser) { return; }
  var running = null;
  var isRefused = false;
  var here = address();  // of what the page shows now

  function address() { return window.location.pathname + window.location.search; }
  function part(form, name) { return form.querySelector("[data-upload-" + name + "]"); }
  function fileField(form) { return form.querySelector("input[type=file]"); }
  function words(form, name, value) { return (form.getAttribute("data-words-" + name) || "").replace("{}", value || ""); }

  // What the server has said of a file that is no longer the chosen one.
  function forgetRefusal(form) {
    var id = fileField(form).id;
    var said = document.getElementById(id + "-error");
    var listed = document.querySelector("[data-error-summary] a[href='#" + id + "']");
    if (said) { said.remove(); }
    if (listed && listed.closest("ul").children.length === 1) { listed.closest("[data-error-summary]").remove(); }
  }

  function say(form, text) {
    var spot = part(form, "error");
    spot.textContent = text;
    spot.hidden = !text;
    fileField(form).setAttribute("aria-invalid", text ? "true" : "false");
    if (text) { window.todoke.focusOn(spot); }
  }

  function tooBig(form) {
    var limit = Number(form.getAttribute("data-max-bytes"));
    var total = Array.prototype.reduce.call(fileField(form).files, function (sum, file) { return sum + file.size; }, 0);
    return limit > 0 && total > limit;
  }

  // What is wrong with the chosen files, in words. Those that are no ZIP yet are for pack.js to judge.
  function fault(form) {
    if (window.todoke.packing && window.todoke.packing.isFor(form)) { return window.todoke.packing.fault(form); }
    return tooBig(form) ? words(form, "too-big") : "";
  }

  function check(form) {
    var found = fault(form);
    say(form, found);
    return !found;
  }

  function showRunning(form, isRunning) {
    part(form, "progress").hidden = !isRunning;
    form.querySelector("progress").value = 0;
    form.setAttribute("aria-busy", isRunning ? "true" : "false");
    form.querySelectorAll("button[type=submit]").forEach(function (button) { button.disabled = isRunning; });
  }

  function onProgress(form, event) {
    if (!event.lengthComputable) { return; }
    var percent = Math.floor(100 * event.loaded / event.total);
    form.querySelector("progress").value = percent;
    part(form, "status").textContent = percent < 100 ? words(form, "sending", percent) : words(form, "checking");
  }

  function replaceMain(answer) {
    document.querySelector("main").replaceWith(answer);
    if (window.htmx) { window.htmx.process(answer); }
    document.dispatchEvent(new Event("todoke:main"));
  }

  function showRefusal(form, request) {
    var answer = new DOMParser().parseFromString(request.responseText, "text/html").querySelector("main");
    if (!answer) { say(form, words(form, "failed")); return; }
    var kept = fileField(form).files;
    replaceMain(answer);
    var field = answer.querySelector("form[data-upload] input[type=file]");
    if (field && kept.length) {
      isRefused = true;  // the server has said what is wrong with it
      field.files = kept;
      field.dispatchEvent(new Event("change", { bubbles: true }));
      isRefused = false;
    }
    if (!window.todoke.focusOnErrors(answer)) { window.todoke.focusOn(answer.querySelector("h1")); }
  }

  // The request has already followed the redirect and used up the notice of success: show that very answer
  // under its own address instead of asking for it again.
  function showResult(request) {
    var page = new DOMParser().parseFromString(request.responseText, "text/html");
    var answer = page.querySelector("main");
    if (!answer) { window.location.assign(request.responseURL); return; }
    window.history.pushState({ todoke: "upload" }, "", request.responseURL);
    here = address();
    document.title = page.title;
    if (page.querySelector("[data-session]")) {
      replaceMain(answer);
    } else {  // the session is over: neither its menu nor its clock may stay
      document.body.replaceWith(page.body);
    }
    window.scrollTo(0, 0);
    window.todoke.focusOn(answer.querySelector("h1"));
  }

  function send(form) {
    var request = running = new XMLHttpRequest();
    request.open("POST", form.action);
    request.setRequestHeader("X-Requested-With", "todoke-upload");
    request.upload.addEventListener("progress", function (event) { onProgress(form, event); });
    request.addEventListener("loadend", function () { running = null; showRunning(form, false); });
    request.addEventListener("load", function () {
      if (request.status < 400) { showResult(request); } else { showRefusal(form, request); }
    });
    request.addEventListener("error", function () { say(form, words(form, "failed")); });
    request.addEventListener("abort", function () { say(form, words(form, "stopped")); });
    showRunning(form, true);
    request.send(new FormData(form));
  }

  window.todoke.upload = { say: say, showRunning: showRunning, part: part, fileField: fileField };

  // Going back from the shown answer needs the page of that address; a link to a part of the same page doesn't.
  window.addEventListener("popstate", function () { if (address() !== here) { window.location.reload(); } });
  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (!form.hasAttribute("data-upload") || event.defaultPrevented) { return; }
    if (!fileField(form).files.length) { return; }  // the server names what is missing
    event.preventDefault();
    if (!running && check(form)) { say(form, ""); send(form); }
  });
  document.addEventListener("change", function (event) {
    var form = event.target.type === "file" && event.target.form;
    if (form && form.hasAttribute("data-upload") && !isRefused) {
      forgetRefusal(form);
      check(form);
    }
  });
  document.addEventListener("click", function (event) {
    if (event.target.closest("[data-upload-stop]") && running) { running.abort(); }
  });
  // A file chosen before the scripts were at work, on a slow line, is looked at now.
  document.addEventListener("DOMContentLoaded", function () {
    document.querySelectorAll("form[data-upload] input[type=file]").forEach(function (field) {
      if (field.files.length) { field.dispatchEvent(new Event("change", { bubbles: true })); }
    });
  });
})();
