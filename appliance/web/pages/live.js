"use strict";
(function () {
  var parts = document.getElementById("parts"), lost = document.getElementById("lost");
  if (!parts || !window.WebSocket) return;
  var wait = 1000, silence = 0, heard = 0;

  // Where one is, so that it is found again in a part that was drawn anew.
  function place(at) {
    if (at.id) return "#" + CSS.escape(at.id);
    if (at.matches("summary")) return "#" + CSS.escape(at.parentNode.id) + ">summary";
    return at.matches("a[href]") ? "a[href=" + CSS.escape(at.getAttribute("href")) + "]" : "";
  }

  function put(name, html) {
    var old = document.getElementById("part-" + name);
    if (!old) return;
    var open = {}, focused = old.contains(document.activeElement) ? place(document.activeElement) : "";
    old.querySelectorAll("details[open]").forEach(function (each) { open[each.id] = true; });
    var made = document.createElement("template");
    made.innerHTML = html;
    var fresh = made.content.firstElementChild;
    if (!fresh) return;
    fresh.querySelectorAll("details").forEach(function (each) { if (open[each.id]) each.open = true; });
    old.replaceWith(fresh);
    var again = focused && fresh.querySelector(focused);
    if (again) again.focus({preventScroll: true});
  }

  function show(isLost) {
    lost.hidden = !isLost;
    parts.classList.toggle("old", isLost);
  }

  function connect() {
    var scheme = location.protocol === "https:" ? "wss://" : "ws://";
    var socket = new WebSocket(scheme + location.host + parts.dataset.live);
    socket.onmessage = function (event) {
      heard = Date.now();
      show(false);
      wait = 1000;
      var said = JSON.parse(event.data);
      if (said.title) document.title = said.title;
      Object.keys(said.parts || {}).forEach(function (name) { put(name, said.parts[name]); });
      if (said.again) location.reload();
    };
    socket.onclose = function () {
      clearInterval(silence);
      show(true);
      setTimeout(connect, wait + Math.random() * 1000);
      wait = Math.min(wait * 2, 30000);
    };
    heard = Date.now();
    // Of a program that stands still the close is never answered, and a browser waits for that answer for a minute.
    silence = setInterval(function () { if (Date.now() - heard > 30000) { show(true); socket.close(); } }, 5000);
  }
  connect();
})();
