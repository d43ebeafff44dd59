// Files that are no ZIP, chosen on a form with a part marked data-pack, are packed into a password ZIP in the page; the
// form is then sent with that ZIP (upload.js). The 圧縮パスワード proves itself on the small ZIP that came with the page; its
// field has no name, so that no form can send it, and is emptied when it has been used. Without this script, or where the
// browser can't pack, the form takes one ZIP made elsewhere. All words stand in the part's data-… attributes.
(function () {
  "use strict";
  var zip = window.todoke.zip;
  var upload = window.todoke.upload;
  if (!zip || !upload || !window.DataTransfer) { return; }
  var commas = window.todoke.commas;
  var isZip = window.todoke.isZip;
  var INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Noncharacter_Code_Point}]/u;
  var FORBIDDEN = /[<>:"|?*\\/]/;
  var DEVICE = /^(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|CLOCK\$|(?:COM|LPT)[0-9¹²³]) *(?:\.|$)/;
  var NAME_BYTES = 255;
  var STEP = 10;  // per cent between two sentences to a screen reader
  var stopper = null;  // of the packing under way

  function partOf(form) { return form.querySelector("[data-pack]"); }
  function passwordOf(form) { return partOf(form).querySelector("input"); }
  function filesOf(form) { return Array.prototype.slice.call(upload.fileField(form).files); }

  function words(form, name, value) {
    return partOf(form).getAttribute("data-words-" + name).replace("{}", function () { return value; });
  }

  function total(files) { return files.reduce(function (sum, file) { return sum + file.size; }, 0); }

  // One ZIP goes as it is, everything else is packed or refused here.
  function isFor(form) {
    var files = partOf(form) ? filesOf(form) : [];
    return files.length > 0 && !(files.length === 1 && isZip(files[0]));
  }

  // The name under which Windows and the server take two files for one.
  function key(name) { return name.normalize("NFKC").toLowerCase().toUpperCase().toLowerCase().normalize("NFKC"); }

  function isBadName(name) {
    return [name, name.normalize("NFC")].some(function (one) {
      return INVISIBLE.test(one) || FORBIDDEN.test(one) || DEVICE.test(one.toUpperCase()) || /[. ]$/.test(one) ||
        new TextEncoder().encode(one).length > NAME_BYTES;
    });
  }

  function twin(files) {
    var seen = new Set();
    return files.find(function (file) { return seen.size === seen.add(key(file.name)).size; });
  }

  // What is wrong with the chosen files, as a sentence; "" when they can be packed.
  function fault(form) {
    var part = partOf(form);
    var files = filesOf(form);
    var bad = files.find(function (file) { return isBadName(file.name); });
    var again = twin(files);
    if (files.some(isZip)) { return words(form, files.every(isZip) ? "zips" : "mixed"); }
    if (files.length > Number(part.getAttribute("data-max-entries"))) { return words(form, "too-many", commas(files.length)); }
    if (total(files) > Number(part.getAttribute("data-max-unpacked"))) { return words(form, "too-much"); }
    if (bad) { return words(form, "bad-name", bad.name); }
    return again ? words(form, "twin", again.name) : "";
  }

  function pad(number) { return String(number).padStart(2, "0"); }

  // Never a file's own name: everybody can read this one, and a file may be called after a person.
  function nameOfZip(form) {
    var now = new Date();
    return words(form, "name", String(now.getFullYear()) + pad(now.getMonth() + 1) + pad(now.getDate()));
  }

  function refuse(form, text) {
    var field = passwordOf(form);
    var spot = document.getElementById(field.id + "-error");
    spot.textContent = text;
    spot.hidden = !text;
    field.setAttribute("aria-invalid", text ? "true" : "false");
    if (text) { field.focus(); }
  }

  function show(form) {
    var files = filesOf(form);
    var isWanted = isFor(form) && !fault(form);
    var sum = words(form, "sum", commas(files.length)).replace("{bytes}", commas(total(files)));
    partOf(form).hidden = !isWanted;
    refuse(form, "");
    if (!isWanted) { passwordOf(form).value = ""; return; }
    sum = sum.replace("{name}", function () { return nameOfZip(form); });
    partOf(form).querySelector("[data-pack-sum]").textContent = sum;
  }

  function tell(form, text) {
    var status = upload.part(form, "status");
    if (status.textContent !== text) { status.textContent = text; }
  }

  function onProgress(form, done, all) {
    var percent = all ? Math.floor(100 * done / all) : 100;
    form.querySelector("progress").value = percent;
    tell(form, words(form, "packing", String(percent - percent % STEP)));
  }

  function begin(form) {
    stopper = new AbortController();
    upload.say(form, "");
    refuse(form, "");
    upload.showRunning(form, true);
    upload.fileField(form).disabled = passwordOf(form).disabled = true;
    tell(form, words(form, "proving"));
    window.todoke.focusOn(upload.part(form, "progress"));  // what had the focus is out of use now
  }

  function end(form) {
    stopper = null;
    upload.showRunning(form, false);
    upload.fileField(form).disabled = passwordOf(form).disabled = false;
  }

  // The ZIP, or null when a sentence says why there is none.
  async function made(form, files, password, signal) {
    if (!await zip.prove(password, partOf(form).getAttribute("data-test-archive"))) {
      return { refusal: words(form, "wrong") + (/[^\x21-\x7e]/.test(password) ? words(form, "wide") : "") };
    }
    if (signal.aborted) { return { trouble: words(form, "stopped") }; }
    try {
      var blob = await zip.pack(files, password, onProgress.bind(null, form), signal);
    } catch (error) {
      var kind = ["stopped", "unreadable"].indexOf(error.kind) < 0 ? "failed" : error.kind;
      return { trouble: words(form, signal.aborted ? "stopped" : kind, error.fileName) };
    }
    return blob.size > Number(form.getAttribute("data-max-bytes")) ? { trouble: words(form, "too-big") } : { blob: blob };
  }

  function send(form, file) {
    var carried = new DataTransfer();
    carried.items.add(file);
    upload.fileField(form).files = carried.files;
    upload.fileField(form).dispatchEvent(new Event("change", { bubbles: true }));
    form.requestSubmit();
  }

  async function run(form) {
    var files = filesOf(form);
    var password = passwordOf(form).value;
    if (!password) { refuse(form, words(form, "missing")); return; }
    begin(form);
    var answer;
    try {
      answer = await made(form, files, password, stopper.signal);
    } catch (error) {
      answer = { trouble: words(form, "failed") };
    }
    end(form);
    if (answer.refusal) { refuse(form, answer.refusal); return; }
    passwordOf(form).value = "";
    if (answer.trouble) { upload.say(form, answer.trouble); return; }
    var packed = new File([answer.blob], nameOfZip(form), { type: "application/zip" });
    window.todoke.made = { zip: packed, files: files };  // what is chosen after a refusal joins them, not the ZIP
    send(form, packed);
  }

  function prepare() {
    document.querySelectorAll("form [data-pack]").forEach(function (part) {
      var form = part.closest("form");
      upload.fileField(form).multiple = true;
      form.querySelectorAll("[data-pack-can]").forEach(function (spot) {
        spot.hidden = spot.getAttribute("data-pack-can") !== "yes";
      });
      form.querySelector("[data-pack-how]").open = false;
    });
  }

  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (event.defaultPrevented || !isFor(form)) { return; }
    event.preventDefault();  // upload.js sends the ZIP when there is one
    if (stopper) { return; }
    var found = fault(form);
    if (found) { upload.say(form, found); } else { run(form); }
  }, true);
  document.addEventListener("change", function (event) {
    var form = event.target.type === "file" && event.target.form;
    if (form && partOf(form)) { show(form); }
  });
  document.addEventListener("click", function (event) {
    if (event.target.closest("[data-upload-stop]") && stopper) { stopper.abort(); }
  });
  document.addEventListener("todoke:main", prepare);
  window.addEventListener("pagehide", function () {
    document.querySelectorAll("[data-pack] input").forEach(function (field) { field.value = ""; });
  });
  window.todoke.packing = { isFor: isFor, fault: fault, isBadName: isBadName, key: key };
  prepare();
})();
