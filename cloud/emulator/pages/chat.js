"use strict";

const WORDS = {
  en: {
    title: "Telegram, simulated", copy: "Copy", copied: "Copied", code: "code", spoiler: "Hidden: press to show",
    more: "Show all", open: "Open this link?", edited: "edited", moved: "The group became a supergroup", bot: "bot",
    start: "Start", write: "Message", reply: "Reply to", offline: "no connection, trying again…", today: "Today",
    group: "group", channel: "channel", topic: "topic", forum: "group with topics", general: "General", empty: "Nothing here yet.",
    writing: "Writing as", down: "Telegram is down for 20 s", limit: "Next 5 calls: 429", fail: "Next 5 calls: 502",
    trouble: "Trouble",
  },
  ru: {
    title: "Telegram, имитация", copy: "Копировать", copied: "Скопировано", code: "код",
    spoiler: "Скрыто: нажмите, чтобы показать", more: "Показать целиком", open: "Открыть ссылку?", edited: "изменено",
    moved: "Группа стала супергруппой", bot: "бот", start: "Начать", write: "Сообщение", reply: "Ответ:",
    offline: "нет связи, пробую снова…", today: "Сегодня", group: "группа", channel: "канал", topic: "тема", forum: "группа с темами",
    general: "Общая", empty: "Здесь пока пусто.", writing: "Пишет", down: "Telegram недоступен 20 с",
    limit: "Следующие 5 вызовов: 429", fail: "Следующие 5 вызовов: 502", trouble: "Неполадки",
  },
};
const LANGUAGE = navigator.language.startsWith("ru") ? "ru" : "en";
const say = (key) => WORDS[LANGUAGE][key];
const $ = (id) => document.getElementById(id);

const KEPT = 400; // messages of a chat; the oldest go first
let socket = null;
let pause = 250;
let head = { chats: [], people: [], bot: {}, menus: {} };
let here = null; // { chat, thread }: what is shown
let replying = null;
let chosen = -1;
const posts = new Map(); // chat id → Map of message id → post
const unread = new Map(); // "chat/thread" → count
const waiting = new Map(); // callback query id → button
let pressed = [];

function connect() {
  socket = new WebSocket(`ws://${location.host}/sim/live`);
  socket.addEventListener("open", () => { pause = 250; $("line").textContent = ""; });
  socket.addEventListener("message", (event) => take(JSON.parse(event.data)));
  socket.addEventListener("close", () => {
    $("line").textContent = say("offline");
    setTimeout(connect, pause);
    pause = Math.min(pause * 2, 4000);
  });
}

function tell(what) {
  if (socket?.readyState !== WebSocket.OPEN) { toast(say("offline")); return; }
  socket.send(JSON.stringify(what));
}

function take(news) {
  if (news.head) takeHead(news.head);
  if (news.all) {
    posts.clear();
    for (const [chat, list] of Object.entries(news.all)) {
      posts.set(Number(chat), new Map(list.map((post) => [post.message_id, post])));
    }
    if (!here) choose(...fromHash()); else drawPosts();
  }
  if (news.post) takePost(news.chat, news.post);
  if (news.deleted) { posts.get(news.chat)?.delete(news.deleted); if (here?.chat === news.chat) drawPosts(); }
  if (news.pressed) { const button = pressed.shift(); if (button) waiting.set(news.pressed, button); }
  if (news.answer) {
    waiting.get(news.answer)?.classList.remove("busy");
    waiting.delete(news.answer);
    if (news.text && news.show_alert) { $("alert").firstChild.textContent = news.text; $("alert").showModal(); }
    else if (news.text) toast(news.text);
  }
  if (news.wrong) toast(news.wrong);
  drawLater();
}

// Messages may come by the hundred: they are drawn together, a few times a second.
let drawing = 0;
let fresh = false; // messages have come to what is shown
let follow = false; // and the end is to be looked at

function drawLater() {
  drawing ||= setTimeout(() => {
    drawing = 0;
    drawChats();
    if (!fresh || !here) return;
    fresh = false;
    const low = isLow();
    drawPosts(false);
    if (low || follow) toEnd(); else $("down").hidden = false;
    follow = false;
  }, 40);
}

function takeHead(news) {
  head = news;
  if (here && !chatOf(here.chat)) here = null;
  if (here) drawBottom();
  drawMenu();
}

function takePost(chat, post) {
  if (!posts.has(chat)) posts.set(chat, new Map());
  const known = posts.get(chat).has(post.message_id);
  posts.get(chat).set(post.message_id, post);
  const thread = post.message_thread_id || 0;
  const shown = here?.chat === chat && (!chatOf(chat)?.forum || here.thread === thread);
  if (!shown) {
    if (!known) { const key = `${chat}/${thread}`; unread.set(key, (unread.get(key) || 0) + 1); }
    return;
  }
  if (known) {
    const low = isLow();
    const old = $("posts").querySelector(`[data-id="${post.message_id}"]`);
    if (old) {
      old.replaceWith(placed(post));
      $("posts").querySelector(`[data-id="${post.message_id}"]`).classList.add("changed");
    }
    if (low) toEnd();
    return;
  }
  const list = posts.get(chat);
  if (list.size > KEPT) list.delete(list.keys().next().value);
  fresh = true;
  follow ||= meIn(chatOf(chat)) === senderOf(post).id;
  if (post.asks) startReply(post);
  drawBottom();
}

const nameOf = (chat) => (chat.kind === "private" ? head.bot.first_name : chat.title);
const chatOf = (id) => head.chats.find((chat) => chat.id === id);
const meIn = (chat) => (chat?.kind === "private" ? chat.id : head.people[0]?.id);

function fromHash() {
  const [chat, thread] = decodeURIComponent(location.hash.slice(1)).split("/").map(Number);
  if (chatOf(chat)) return [chat, thread || 0];
  return [head.chats[0]?.id, 0, matchMedia("(max-width: 700px)").matches];
}

function choose(chat, thread = 0, listed = false) {
  here = { chat, thread };
  stopReply();
  $("text").value = "";
  document.body.classList.toggle("talking", !listed);
  if (!listed) history.replaceState(null, "", `#${chat}/${thread}`);
  unread.delete(`${chat}/${thread}`);
  drawPosts();
  drawChats();
  drawBottom();
  toEnd();
  const last = shownPosts().at(-1);
  if (last?.asks && last.from?.is_bot) startReply(last);
}

function shownPosts() {
  const all = [...(posts.get(here.chat)?.values() || [])];
  return chatOf(here.chat)?.forum ? all.filter((post) => (post.message_thread_id || 0) === here.thread) : all;
}

function drawChats() {
  const rows = [];
  for (const chat of head.chats) {
    const threads = chat.forum ? [{ id: 0, name: say("general") }, ...chat.topics] : [null];
    if (chat.forum) rows.push(make("div", "forum", face(chat), make("b", "", chat.title)));
    for (const topic of threads) {
      const thread = topic ? topic.id : 0;
      const list = [...(posts.get(chat.id)?.values() || [])]
        .filter((post) => !chat.forum || (post.message_thread_id || 0) === thread);
      const last = list.at(-1);
      const count = unread.get(`${chat.id}/${thread}`);
      const who = last && senderOf(last).person ? `${senderOf(last).name}: ` : "";
      const row = make("button", topic ? "chat topic" : "chat",
        topic ? null : face(chat),
        make("span", "lines", make("b", "", topic ? `# ${topic.name}` : nameOf(chat), chat.kind === "private" ? make("i", "as", chat.title) : ""),
          make("small", "", last ? who + summary(last) : " ")),
        make("span", "side", make("small", "", last ? clock(last.date) : ""),
          count ? make("i", "count", String(count)) : ""));
      row.type = "button";
      if (here && here.chat === chat.id && here.thread === thread) row.ariaCurrent = "true";
      row.addEventListener("click", () => choose(chat.id, thread));
      rows.push(row);
    }
  }
  $("chats").replaceChildren(...rows);
  document.title = [...unread.values()].some(Boolean) ? `● ${say("title")}` : say("title");
}

function face(chat) {
  const node = make("span", "face", [...chat.title][0] || "?");
  node.dataset.colour = Math.abs(chat.id) % 6;
  node.ariaHidden = "true";
  return node;
}

const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });

function placed(post) {
  const chat = chatOf(here.chat);
  const node = renderPost(post, chat, meIn(chat));
  node.dataset.id = post.message_id;
  node.dataset.chat = here.chat;
  node.dataset.edits = post.edits;
  return node;
}

function drawPosts(end = true) {
  const list = shownPosts();
  const nodes = [];
  const standing = new Map([...$("posts").querySelectorAll("[data-id]")].map((node) => [node.dataset.id, node]));
  let day = "";
  for (const post of list) {
    const date = new Date(post.date * 1000).toDateString();
    if (date !== day) {
      day = date;
      const today = date === new Date().toDateString();
      nodes.push(make("div", "service", today ? say("today") : new Date(post.date * 1000).toLocaleDateString()));
    }
    // What stands already stays: an opened spoiler does not close because something else came.
    const old = standing.get(String(post.message_id));
    const same = old && old.dataset.chat === String(here.chat) && old.dataset.edits === String(post.edits);
    nodes.push(same ? old : placed(post));
  }
  if (!nodes.length) nodes.push(make("p", "empty", say("empty")));
  $("posts").replaceChildren(...nodes);
  if (end) toEnd();
}

function drawBottom() {
  const chat = chatOf(here.chat);
  if (!chat) return;
  const who = head.people.find((person) => person.id === meIn(chat));
  const topic = chat.topics?.find((one) => one.id === here.thread);
  $("name").textContent = topic ? `${chat.title} # ${topic.name}` : nameOf(chat);
  $("about").textContent = chat.kind === "private"
    ? `${say("bot")} · ${say("writing").toLowerCase()} ${who?.name}, id ${chat.id}`
    : `${say(chat.forum ? "forum" : chat.kind === "channel" ? "channel" : "group")} · id ${chat.id}`
      + (here.thread ? ` · ${say("topic")} ${here.thread}` : "");
  $("face").textContent = [...$("name").textContent][0] || "";
  $("face").dataset.colour = Math.abs(chat.id) % 6;
  const fresh = chat.kind === "private" && !chat.started;
  $("form").hidden = fresh;
  $("start").hidden = !fresh;
}

const isLow = () => { const box = $("posts"); return box.scrollHeight - box.scrollTop - box.clientHeight < 80; };
function toEnd() { const box = $("posts"); box.scrollTop = box.scrollHeight; $("down").hidden = true; }

function show(id) {
  const node = document.querySelector(`[data-id="${id}"]`);
  node?.scrollIntoView({ block: "center", behavior: "smooth" });
  node?.classList.remove("changed");
  requestAnimationFrame(() => node?.classList.add("changed"));
}

function startReply(post) {
  replying = post.message_id;
  const [name, text] = $("replying").firstElementChild.children;
  name.textContent = `${say("reply")} ${senderOf(post).name}`;
  text.textContent = summary(post);
  $("replying").hidden = false;
  if (!matchMedia("(hover: none)").matches) $("text").focus();
}

function stopReply() { replying = null; $("replying").hidden = true; }

function sendText(text) {
  if (!text.trim() || !here) return;
  tell({ say: text, user: meIn(chatOf(here.chat)), chat: here.chat, thread: here.thread, reply_to: replying || 0 });
  stopReply();
}

function press(post, data, button) {
  if (button.classList.contains("busy")) return;
  button.classList.add("busy");
  setTimeout(() => button.classList.remove("busy"), 15000);
  pressed.push(button);
  tell({ press: data, user: meIn(chatOf(here.chat)), chat: here.chat, message: post.message_id });
}

let toasting = 0;
function toast(text) {
  $("toast").textContent = text;
  $("toast").hidden = false;
  clearTimeout(toasting);
  toasting = setTimeout(() => { $("toast").hidden = true; }, 4000);
}

// The menu of commands, offered while a command is being typed.

function offered() {
  const typed = /^\/([a-z0-9_]*)$/i.exec($("text").value);
  if (!typed || !here) return [];
  return (head.menus[here.chat] || []).filter((one) => one.command.startsWith(typed[1].toLowerCase()));
}

function drawMenu() {
  const list = offered();
  chosen = Math.min(chosen, list.length - 1);
  $("menu").hidden = !list.length;
  $("menu").replaceChildren(...list.map((one, index) => {
    const node = make("li", "", make("b", "", `/${one.command}`), make("span", "", one.description));
    node.role = "option";
    node.ariaSelected = String(index === chosen);
    node.addEventListener("mousedown", (event) => { event.preventDefault(); pick(one); });
    return node;
  }));
  $("menu").children[chosen]?.scrollIntoView({ block: "nearest" });
}

function pick(one) {
  $("text").value = `/${one.command} `;
  chosen = -1;
  grow();
  $("text").focus();
}

function grow() {
  const field = $("text");
  field.style.height = "auto";
  field.style.height = `${Math.min(field.scrollHeight, 160)}px`;
  drawMenu();
}

$("text").addEventListener("input", () => { if ($("text").value === "/") tell({ head: true }); grow(); });
$("text").addEventListener("keydown", (event) => {
  const list = offered();
  if (list.length && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    event.preventDefault();
    chosen = (chosen + (event.key === "ArrowDown" ? 1 : list.length - (chosen < 0 ? 0 : 1))) % list.length;
    drawMenu();
  } else if (list.length && (event.key === "Tab" || (event.key === "Enter" && chosen >= 0))) {
    event.preventDefault();
    pick(list[Math.max(chosen, 0)]);
  } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $("form").requestSubmit();
  } else if (event.key === "Escape") {
    stopReply();
    $("menu").hidden = true;
  }
});
$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  sendText($("text").value);
  $("text").value = "";
  grow();
});
$("slash").addEventListener("click", () => { $("text").value = "/"; tell({ head: true }); grow(); $("text").focus(); });
$("start").addEventListener("click", () => sendText("/start"));
$("replying").querySelector("button").addEventListener("click", stopReply);
$("down").addEventListener("click", toEnd);
$("posts").addEventListener("scroll", () => { if (isLow()) $("down").hidden = true; });
$("back").addEventListener("click", () => document.body.classList.remove("talking"));

$("title").textContent = say("title");
document.documentElement.lang = LANGUAGE;
$("start").textContent = say("start");
$("text").placeholder = say("write");
$("troubles").append(make("details", "", make("summary", "", say("trouble")), ...["down", "limit", "fail"].map((kind) => {
  const button = make("button", "", say(kind));
  button.type = "button";
  button.addEventListener("click", () => tell({ trouble: kind }));
  return button;
})));
connect();
