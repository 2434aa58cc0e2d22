(function () {
  "use strict";
  var box = document.querySelector("[data-live]");
  if (!box || !window.WebSocket) { return; }
  var scheme = location.protocol === "https:" ? "wss://" : "ws://";
  var wait = 1000, restarts = box.dataset.live.indexOf("restart") >= 0, boot = null, same = 0;
  function health() {
    return fetch("/health", { cache: "no-store" }).then(function (answer) { return answer.json(); });
  }
  // The program that ends still answers for a moment: a page of it would stay. Where none begins, it was called off.
  function comeBack() {
    health().then(function (now) {
      if (boot !== null && now.boot_id === boot && same < 10) { same += 1; window.setTimeout(comeBack, 1000); return; }
      location.assign("/engineer");
    }, function () { same = 0; window.setTimeout(comeBack, 1000); });
  }
  if (restarts) { health().then(function (now) { boot = now.boot_id; }, function () {}); }
  function listen() {
    var socket = new WebSocket(scheme + location.host + box.dataset.live);
    var done = false;
    socket.onmessage = function (event) {
      var news = JSON.parse(event.data);
      wait = 1000;
      done = news.done;
      if (news.html) { box.innerHTML = news.html; }
    };
    socket.onclose = function (event) {
      if (event.code === 4401) { location.assign("/engineer"); return; }
      if (restarts) { comeBack(); return; }
      if (done) { return; }
      window.setTimeout(listen, wait);
      wait = Math.min(wait * 2, 10000);
    };
  }
  listen();
})();
