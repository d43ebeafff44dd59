// The code out of the link in the mail: it stands after the #, which the browser sends to nobody, and moves from there
// into the field and out of the address.
(function () {
  "use strict";
  function take() {
    var field = document.querySelector("[data-from-address]");
    var code = window.location.hash.slice(1);
    if (!field || !/^[A-Za-z0-9-]{20,30}$/.test(code)) { return; }
    field.value = code;
    window.history.replaceState(null, "", window.location.pathname);
    var told = document.querySelector("[data-code-taken]");
    if (told) { told.hidden = false; }
    field.form.querySelector("button[type=submit]").focus();
  }
  take();
  window.addEventListener("hashchange", take);
})();
