// The drop area of a form marked data-upload, and the list of the chosen files with their sizes. Where several files may
// be packed (data-words-remove on the form), what is chosen later joins what is chosen already, and each can be taken out.
(function () {
  "use strict";
  var kept = new WeakMap();  // file field → the files it holds
  var isTakenOut = false;

  function fileField(area) { return area.querySelector("input[type=file]"); }
  function removeWords(field) { return field.multiple && field.form.getAttribute("data-words-remove"); }
  function listed(files) { return Array.prototype.slice.call(files); }

  function isSame(one, other) {
    return one.name === other.name && one.size === other.size && one.lastModified === other.lastModified;
  }

  function put(field, files) {
    var carried = new DataTransfer();
    files.forEach(function (file) { carried.items.add(file); });
    field.files = carried.files;
  }

  // What the field held. Instead of a ZIP that this page has made (pack.js): the files it was made of.
  function before(field) {
    var files = kept.get(field) || [];
    var made = window.todoke.made;
    return made && files.length === 1 && isSame(files[0], made.zip) ? made.files : files;
  }

  // A ZIP takes the place of what was chosen, where it is sent as it is (pack.js); nothing else does.
  function join(field) {
    var earlier = before(field);
    var chosen = listed(field.files);
    var isZipAlone = chosen.length === 1 && window.todoke.isZip(chosen[0]) && field.form.querySelector("[data-pack]");
    if (!isTakenOut && removeWords(field) && chosen.length && !isZipAlone) {
      var fresh = chosen.filter(function (file) { return !earlier.some(isSame.bind(null, file)); });
      put(field, earlier.concat(fresh));
    }
    kept.set(field, listed(field.files));
  }

  function lineOf(field, file) {
    var form = field.form;
    var line = document.createElement("li");
    var size = document.createElement("span");
    size.className = "td-drop__size";
    size.textContent = "（" + window.todoke.commas(file.size) + form.getAttribute("data-words-bytes") + "）";
    line.append(file.name, size);
    if (removeWords(field)) {
      var button = document.createElement("button");
      button.type = "button";
      button.className = "td-button td-button--text td-button--small";
      button.setAttribute("data-upload-remove", "");
      button.setAttribute("aria-label", file.name + "：" + removeWords(field));
      button.textContent = removeWords(field);
      line.appendChild(button);
    }
    if (!file.size && form.hasAttribute("data-words-empty")) {
      var note = document.createElement("span");
      note.className = "td-support td-drop__note";
      note.textContent = form.getAttribute("data-words-empty");
      line.appendChild(note);
    }
    return line;
  }

  document.addEventListener("change", function (event) {
    var area = event.target.type === "file" ? event.target.closest("[data-upload-drop]") : null;
    if (!area) { return; }
    var list = area.querySelector("[data-upload-list]");
    join(event.target);
    list.textContent = "";
    listed(event.target.files).forEach(function (file) { list.appendChild(lineOf(event.target, file)); });
  });

  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-upload-remove]");
    if (!button) { return; }
    var field = fileField(button.closest("[data-upload-drop]"));
    if (field.disabled) { return; }  // they are being packed
    var index = listed(button.closest("ul").children).indexOf(button.closest("li"));
    put(field, listed(field.files).filter(function (file, at) { return at !== index; }));
    isTakenOut = true;
    field.dispatchEvent(new Event("change", { bubbles: true }));
    isTakenOut = false;
    window.todoke.focusOn(field);
  });

  // A file that misses the area must not take the place of the page.
  function isMissed(event) {
    return document.querySelector("[data-upload-drop]") && Array.prototype.indexOf.call(event.dataTransfer.types, "Files") >= 0;
  }

  ["dragover", "dragleave", "drop"].forEach(function (name) {
    document.addEventListener(name, function (event) {
      var area = event.target.closest ? event.target.closest("[data-upload-drop]") : null;
      if (area) {
        area.classList.toggle("td-drop--over", name === "dragover");
        event.preventDefault();
      } else if (isMissed(event)) {
        event.dataTransfer.dropEffect = "none";
        event.preventDefault();
      }
      if (!area || name !== "drop" || !event.dataTransfer.files.length || fileField(area).disabled) { return; }
      fileField(area).files = event.dataTransfer.files;
      fileField(area).dispatchEvent(new Event("change", { bubbles: true }));
    });
  });
})();
