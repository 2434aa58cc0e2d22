"use strict";
(function () {
  var main = document.querySelector("main");
  function look() {
    var seconds = Number(main.dataset.again);
    if (!seconds) return;
    setTimeout(function () {
      fetch(main.dataset.from, {cache: "no-store"}).then(function (answer) { return answer.text(); }).then(put).then(look, look);
    }, seconds * 1000);
  }
  function put(text) {
    var fresh = new DOMParser().parseFromString(text, "text/html").querySelector("main");
    if (!fresh) return;
    main.dataset.again = fresh.dataset.again || "";
    if (fresh.innerHTML !== main.innerHTML) main.innerHTML = fresh.innerHTML;
  }
  look();
})();
