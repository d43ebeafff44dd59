// The drop area of a form marked data-upload, and the list of the chosen files with their sizes.
(function () {
  "use strict";
  function fileField(area) { return area.querySelector("input[type=file]"); }
  function commas(number) { return String(number).replace(/\B(?=(\d{3})+$)/g, ","); }

  document.addEventListener("change", function (event) {
    var area = event.target.type === "file" ? event.target.closest("[data-upload-drop]") : null;
    if (!area) { return; }
    var list = area.querySelector("[data-upload-list]");
    var unit = area.closest("form").getAttribute("data-words-bytes");
    list.textContent = "";
    Array.prototype.forEach.call(event.target.files, function (file) {
      var line = document.createElement("li");
      line.textContent = file.name + "（" + commas(file.size) + unit + "）";
      list.appendChild(line);
    });
  });

  ["dragover", "dragleave", "drop"].forEach(function (name) {
    document.addEventListener(name, function (event) {
      var area = event.target.closest ? event.target.closest("[data-upload-drop]") : null;
      if (!area) { return; }
      event.preventDefault();
      area.classList.toggle("td-drop--over", name === "dragover");
      if (name !== "drop" || !event.dataTransfer.files.length) { return; }
      fileField(area).files = event.dataTransfer.files;
      fileField(area).dispatchEvent(new Event("change", { bubbles: true }));
    });
  });
})();
