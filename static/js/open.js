// 「開いて保存」: the ZIP is fetched, opened and its files are handed to the browser's downloads, all inside the page.
// The password proves itself on the small ZIP that came with the page, before anything is asked of the server.
// Without this script the section stays hidden, and 「ダウンロード」 is the way. All words stand in the section.
(function () {
  "use strict";
  var section = document.querySelector("[data-open]");
  if (!section || !window.todoke || !window.todoke.zip || !window.TransformStream) { return; }

  var KEPT = 60000;  // milliseconds after which the browser has taken a file that was handed to it
  var PAUSE = 150;  // milliseconds between two files: a browser drops some of those that come all at once
  var DRAWN_ANEW = ["#moves", ".td-facts", ".td-timeline"];  // what a taken file changes on the page
  var isOnce = section.hasAttribute("data-once");  // whether the server hands the ZIP out only once
  var form = section.querySelector("form");
  var field = document.getElementById("open-password");
  var zip = null;  // as it came: {blob, name}
  var rows = [];  // {file, place, isSaved}
  var isKept = false;  // whether leaving the page would lose nothing
  var stopper = null;  // of what runs now
  var urls = [];

  function part(name) { return section.querySelector("[data-open-" + name + "]"); }
  function words(name, value) { return section.getAttribute("data-words-" + name).replace("{}", function () { return value; }); }

  function tell(text) {
    part("status").textContent = text;
    part("status").hidden = !text;
  }

  // One of the form, the progress, the files and the trouble; the progress also stands below the files.
  function show(name) {
    form.hidden = name !== "form";
    part("progress").hidden = name !== "progress";
    part("trouble").hidden = name !== "trouble";
    part("files").hidden = name !== "files";
  }

  function onProgress(done, total) { section.querySelector("progress").value = total ? done / total : 0; }

  function begin() {
    stopper = new AbortController();
    section.setAttribute("aria-busy", "true");
    onProgress(0, 1);
    return stopper.signal;
  }

  function end() {
    stopper = null;
    section.setAttribute("aria-busy", "false");
  }

  function refuse(text) {
    var spot = document.getElementById("open-password-error");
    spot.textContent = text;
    spot.hidden = !text;
    field.setAttribute("aria-invalid", text ? "true" : "false");
    if (text) { field.focus(); }
  }

  function trouble(text) {
    tell("");
    part("reason").textContent = text;
    part("trouble").querySelector("[data-open-zip]").hidden = !zip;
    part("reload").hidden = Boolean(zip);  // it would lose the ZIP
    show("trouble");
    window.todoke.focusOn(part("trouble"));
  }

  // What a page says that says no; the words that wait hidden on every page are not meant.
  function reasonIn(text) {
    var main = new DOMParser().parseFromString(text, "text/html").querySelector("main");
    if (!main) { return ""; }
    main.querySelectorAll("[hidden], .td-notice__kind").forEach(function (part) { part.remove(); });
    var said = main.querySelectorAll(".td-notice__text p");
    var lines = Array.prototype.map.call(said.length ? said : main.querySelectorAll("h1"), function (line) { return line.textContent.trim(); });
    return lines.join("\n");
  }

  function nameIn(disposition) {
    var found = /filename\*=UTF-8''([^;]+)/.exec(disposition || "");
    return found ? decodeURIComponent(found[1]) : "";
  }

  // The ZIP, by the same request that 「ダウンロード」 sends; an error with `told` carries what to say.
  async function fetchZip(signal) {
    var loaded = 0;
    var told = "silent";
    try {
      var answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), redirect: "manual", signal: signal });
      if (answer.type === "opaqueredirect") { throw Object.assign(new Error("over"), { told: words("over") }); }
      told = "cut";
      if (!answer.ok || /^text\/html/.test(answer.headers.get("Content-Type"))) {
        var reason = reasonIn(await answer.text());
        throw Object.assign(new Error("refused"), { told: reason || words("silent") });
      }
      var total = Number(answer.headers.get("Content-Length"));
      var counted = answer.body.pipeThrough(new TransformStream({
        transform: function (piece, on) {
          loaded += piece.byteLength;
          onProgress(loaded, total);
          on.enqueue(piece);
        },
      }));
      var blob = await new Response(counted).blob();
      if (total && blob.size !== total) { throw new Error("cut"); }
      return { blob: blob, name: nameIn(answer.headers.get("Content-Disposition")) };
    } catch (error) {
      throw error.told ? error : Object.assign(new Error(told), { told: words(signal.aborted ? "stopped" : told) });
    }
  }

  // While files wait that the server doesn't give again, no other button is as loud.
  function soften(place) {
    place.querySelectorAll(".td-button--solid").forEach(function (button) {
      button.classList.replace("td-button--solid", "td-button--outline");
    });
  }

  // The other acts wait until nothing would be lost by them: they lead to a page without the files.
  function holdMoves() {
    var isHeld = isOnce && Boolean(zip) && !isKept;
    document.querySelectorAll("#moves .td-actions").forEach(function (place) { place.hidden = isHeld; });
    document.querySelectorAll("[data-open-held]").forEach(function (words) { words.hidden = !isHeld; });
  }

  // What the page says of the transfer, as it is now; where that doesn't come, the page stays as it is.
  async function drawAnew() {
    try {
      var answer = await fetch(window.location.href, { redirect: "manual" });
      if (!answer.ok) { return; }
      var page = new DOMParser().parseFromString(await answer.text(), "text/html");
      DRAWN_ANEW.forEach(function (place) {
        var old = document.querySelector("main " + place);
        var fresh = page.querySelector("main " + place);
        if (!old || !fresh) { return; }
        old.replaceWith(fresh);
        if (rows.length && isOnce) { soften(fresh); }
        if (window.htmx) { window.htmx.process(fresh); }
      });
      holdMoves();
    } catch (error) { return; }
  }

  function sizeOf(bytes) {
    var units = [["GB", 1e9], ["MB", 1e6], ["KB", 1e3]].filter(function (unit) { return bytes >= unit[1]; });
    var about = units.length ? "（" + (bytes / units[0][1]).toFixed(1) + " " + units[0][0] + "）" : "";
    return window.todoke.commas(bytes) + words("bytes") + about;
  }

  // A name without folders that means what it looks like.
  function plainName(name) {
    var odd = /[\u0000-\u001f\u007f<>:"|?*\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
    var parts = name.split(/[/\\]/).map(function (one) { return one.replace(odd, "_").replace(/[. ]+$/, ""); });
    return parts.filter(Boolean).join("_") || words("nameless");
  }

  function list(files) {
    var body = section.querySelector("tbody");
    rows = files.map(function (file, index) {
      var place = section.querySelector("template").content.cloneNode(true).firstElementChild;
      place.cells[0].textContent = file.name;
      place.cells[0].id = "open-file-" + index;
      place.cells[1].textContent = sizeOf(file.size);
      place.querySelector("button").setAttribute("aria-describedby", place.cells[0].id);
      body.appendChild(place);
      return { file: file, place: place, isSaved: false };
    });
    show("files");
    tell(words("opened", String(rows.length)));
    window.todoke.focusOn(part("head"));
  }

  async function proves(password) {
    tell(words("checking"));
    try {
      if (await window.todoke.zip.prove(password, section.getAttribute("data-test-archive"))) { return true; }
    } catch (error) {
      trouble(words("unready"));
      return false;
    }
    tell("");
    refuse(words("wrong") + (/[^\x21-\x7e]/.test(password) ? words("wide") : ""));
    return false;
  }

  async function takeAndList(password, signal) {
    tell(words("fetching"));
    show("progress");
    window.todoke.focusOn(part("progress"));
    try {
      zip = await fetchZip(signal);
      holdMoves();
    } catch (error) {
      trouble(error.told);
      return;
    }
    tell(words("opening"));
    try {
      list(await window.todoke.zip.open(zip.blob, password));
    } catch (error) {
      trouble(words("damaged"));
    }
  }

  async function open() {
    var password = field.value;
    refuse(password ? "" : words("missing"));
    if (!password) { return; }
    var signal = begin();
    var isProven = false;
    try {
      isProven = await proves(password);
      if (isProven) {
        field.value = "";
        await takeAndList(password, signal);
      }
    } finally { end(); }
    if (isProven) { drawAnew(); }
  }

  function hand(blob, name) {
    var link = document.createElement("a");
    link.href = URL.createObjectURL(blob.slice(0, blob.size, "application/octet-stream"));  // saved, never shown
    link.download = name;
    link.click();
    urls.push(link.href);
    window.setTimeout(function () { URL.revokeObjectURL(link.href); }, KEPT);
  }

  // Whether the file was handed over; what is wrong with it is said in its row.
  async function save(row, signal) {
    var problem = row.place.querySelector(".td-error");
    problem.hidden = true;
    tell(words("saving", row.file.name));
    try {
      hand(await row.file.read(onProgress, signal), plainName(row.file.name));
    } catch (error) {
      if (!signal.aborted) {
        problem.textContent = words("unsaved");
        problem.hidden = false;
      }
      return false;
    }
    row.isSaved = true;
    row.place.querySelector(".td-chip").hidden = false;
    isKept = isKept || rows.every(function (one) { return one.isSaved; });
    holdMoves();
    return true;
  }

  // One after the other; `done` is what is said when all of them went well.
  async function saveThese(some, done) {
    var signal = begin();
    var failed = 0;
    part("progress").hidden = false;
    for (var index = 0; index < some.length && !signal.aborted; index += 1) {
      failed += (await save(some[index], signal)) ? 0 : 1;
      if (index + 1 < some.length) { await new Promise(function (go) { window.setTimeout(go, PAUSE); }); }
    }
    part("progress").hidden = true;
    tell(signal.aborted ? words("stopped-saving") : failed ? words("failed") : done);
    end();
  }

  function saveAll() {
    var waiting = rows.filter(function (row) { return !row.isSaved; });
    return saveThese(waiting.length ? waiting : rows, words("saved-all"));
  }

  function saveZip() {
    hand(zip.blob, plainName(zip.name));
    isKept = true;
    holdMoves();
    tell(words("saved-zip"));
  }

  form.addEventListener("submit", function (event) {
    event.preventDefault();
    if (!stopper) { open(); }
  });
  section.addEventListener("click", function (event) {
    var button = event.target.closest("button");
    if (!button) { return; }
    if (button.hasAttribute("data-open-stop") && stopper) { stopper.abort(); }
    if (button.hasAttribute("data-open-reload")) { window.location.reload(); }
    if (stopper) { return; }
    if (button.hasAttribute("data-open-zip")) { saveZip(); }
    if (button.hasAttribute("data-open-all")) { saveAll(); }
    if (button.hasAttribute("data-open-save")) {
      var row = rows.find(function (one) { return one.place.contains(button); });
      saveThese([row], words("saved", row.file.name));
    }
  });

  window.addEventListener("beforeunload", function (event) {
    if (!isOnce || (zip ? isKept : !stopper)) { return; }
    event.preventDefault();
    event.returnValue = "unsaved";  // older browsers ask only then
  });
  // Nothing decrypted outlives the page, nor comes back with it.
  window.addEventListener("pagehide", function () {
    urls.forEach(function (url) { URL.revokeObjectURL(url); });
    field.value = "";
    zip = null;
    rows = [];
  });
  window.addEventListener("pageshow", function (event) {
    if (event.persisted) { window.location.reload(); }
  });
  section.hidden = false;
})();
