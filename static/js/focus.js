// Where the keyboard and the screen reader go after something changed: the error summary of a refused form,
// or the part htmx has redrawn. Also keeps whole pages out of the small places htmx fills.
(function () {
  "use strict";

  function focusOn(place) {
    if (!place) { return; }
    if (!place.hasAttribute("tabindex") && !/^(A|BUTTON|INPUT|SELECT|TEXTAREA)$/.test(place.tagName)) {
      place.setAttribute("tabindex", "-1");
    }
    place.focus();
  }

  function focusOnErrors(root) {
    var summary = (root || document).querySelector("[data-error-summary]");
    if (summary) { focusOn(summary); }
    return Boolean(summary);
  }
  Object.assign(window.todoke, { focusOn: focusOn, focusOnErrors: focusOnErrors });

  function announce(words) {
    var live = document.getElementById("td-live");
    if (live && words) { live.textContent = words; }
  }

  focusOnErrors();

  // The answer to a small request may be a whole page: a redirect (the session is over) or an error page.
  document.addEventListener("htmx:after:request", function (event) {
    var ctx = event.detail.ctx;
    if (ctx.select || !/^\s*<!doctype/i.test(ctx.text || "")) { return; }
    if (ctx.response.raw.redirected && ctx.response.status < 400) {
      ctx.hx.redirect = ctx.response.raw.url;
    } else {
      ctx.hx.retarget = "#main";
      ctx.hx.reswap = "outerHTML";
      ctx.hx.reselect = "#main";
    }
  });

  var focusedId = null;
  document.addEventListener("htmx:before:swap", function (event) {
    var target = event.detail.ctx.target;
    // Polling (GET) must not take the focus away; only what the person sent moves it, or what a link opened in its place.
    var isAsked = event.detail.ctx.request.method !== "GET" || event.detail.ctx.sourceElement.hasAttribute("data-opens");
    focusedId = isAsked && target && target.id ? target.id : null;
  });
  document.addEventListener("htmx:after:swap", function (event) {
    var id = focusedId;
    focusedId = null;
    if (event.detail.ctx.hx && event.detail.ctx.hx.retarget === "#main") {
      if (!focusOnErrors()) { focusOn(document.querySelector("#main h1")); }
      return;
    }
    var fresh = id ? document.getElementById(id) : null;
    if (!fresh) { return; }
    announce(fresh.getAttribute("data-announce"));
    focusOn(fresh.querySelector("[aria-invalid=true]") || fresh.querySelector("[data-focus], a[href], button") || fresh);
  });

  document.addEventListener("htmx:error", function () {
    var live = document.getElementById("td-trouble");
    if (live) { live.hidden = false; }
  });
})();
