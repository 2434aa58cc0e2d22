"use strict";
// A message as Telegram shows it. Everything a bot sends is hostile: nothing here is made of HTML texts, only of nodes.

function make(tag, className, ...inside) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...inside.filter((one) => one !== null && one !== undefined));
  return node;
}

// Offsets of entities count UTF-16 units, as strings do here. Entities nest and never cross.
function renderText(text, entities) {
  const ordered = [...(entities || [])].sort((a, b) => a.offset - b.offset || b.length - a.length);
  let next = 0;
  function within(start, end) {
    const nodes = [];
    let at = start;
    while (next < ordered.length && ordered[next].offset < end) {
      const entity = ordered[next++];
      const first = Math.max(entity.offset, at);
      const last = Math.min(entity.offset + entity.length, end);
      if (first > at) nodes.push(text.slice(at, first));
      nodes.push(wrap(entity, within(first, last), text.slice(first, last)));
      at = last;
      if (BLOCKS.has(entity.type) && text[at] === "\n" && at < end) at += 1; // a block ends its line by itself
    }
    if (at < end) nodes.push(text.slice(at, end));
    return nodes;
  }
  return within(0, text.length);
}

const BLOCKS = new Set(["pre", "blockquote", "expandable_blockquote"]);
const PLAIN = { bold: "b", italic: "i", underline: "u", strikethrough: "s" };

function wrap(entity, inside, text) {
  switch (entity.type) {
    case "code": {
      const node = make("code", "", ...inside);
      node.title = say("copy");
      node.addEventListener("click", () => copy(text));
      return node;
    }
    case "pre": {
      const button = make("button", "copy", say("copy"));
      button.type = "button";
      button.addEventListener("click", () => copy(text));
      const head = make("span", "head", entity.language || say("code"), button);
      return make("div", "pre", head, make("pre", "", ...inside));
    }
    case "spoiler": {
      const node = make("span", "spoiler", make("span", "", ...inside));
      node.tabIndex = 0;
      node.role = "button";
      node.ariaLabel = say("spoiler");
      const open = (event) => {
        if (node.classList.contains("open")) return;
        event.preventDefault();
        event.stopPropagation();
        node.classList.add("open");
        node.removeAttribute("role");
        node.removeAttribute("tabindex");
        node.removeAttribute("aria-label");
      };
      node.addEventListener("click", open, true);
      node.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") open(event); });
      return node;
    }
    case "blockquote":
      return make("blockquote", "", ...inside);
    case "expandable_blockquote": {
      const more = make("button", "more", "⌄");
      more.type = "button";
      more.ariaLabel = say("more");
      const node = make("blockquote", "expandable", make("div", "", ...inside), more);
      more.addEventListener("click", () => node.classList.toggle("open"));
      return node;
    }
    case "text_link":
    case "url":
      return link(entity.type === "url" ? text : entity.url, inside);
    case "bot_command": {
      const node = make("button", "command", ...inside);
      node.type = "button";
      node.addEventListener("click", () => sendText(text));
      return node;
    }
    case "mention":
    case "text_mention":
      return make("span", "mention", ...inside);
    case "date_time": {
      const node = make("time", "", ...inside);
      node.title = new Date(entity.unix_time * 1000).toLocaleString();
      return node;
    }
    default:
      return make(PLAIN[entity.type] || "span", "", ...inside);
  }
}

function link(address, inside) {
  if (!/^https?:\/\//i.test(address)) return make("span", "mention", ...inside);
  const node = make("a", "", ...inside);
  node.href = address;
  node.target = "_blank";
  node.rel = "noopener noreferrer";
  node.addEventListener("click", (event) => {
    if (!confirm(`${say("open")}\n\n${address}`)) event.preventDefault();
  });
  return node;
}

function copy(text) {
  navigator.clipboard?.writeText(text).then(() => toast(say("copied")), () => {});
}

// A person or a bot; in channels, and of anonymous administrators, the chat itself.
function senderOf(post) {
  if (post.sender_chat) return { id: post.sender_chat.id, name: post.sender_chat.title };
  return { id: post.from?.id, name: post.from?.first_name ?? "", person: post.from && !post.from.is_bot };
}

function renderPost(post, chat, me) {
  const sender = senderOf(post);
  const mine = sender.id === me;
  if (post.migrate_to_chat_id || post.migrate_from_chat_id) return make("div", "service", say("moved"));
  const body = make("div", "body");
  if (chat.kind !== "private" && !mine) body.append(make("b", "from", sender.name));
  if (post.reply_to_message) {
    const to = post.reply_to_message;
    const quote = make("button", "reply", make("b", "", senderOf(to).name), make("span", "", summary(to)));
    quote.type = "button";
    quote.addEventListener("click", () => show(to.message_id));
    body.append(quote);
  }
  if (post.document) body.append(renderDocument(post.document));
  const text = post.text ?? post.caption ?? "";
  if (text) body.append(make("div", "text", ...renderText(text, post.entities || post.caption_entities)));
  const moment = clock(post.date);
  const info = make("span", "info", post.edits ? `${say("edited")} ${moment}` : moment);
  info.title = new Date((post.edit_date || post.date) * 1000).toLocaleString() + (post.edits ? ` · ${post.edits}` : "");
  body.append(info);
  const node = make("article", mine ? "post mine" : "post", make("div", "bubble", body));
  const rows = post.reply_markup?.inline_keyboard;
  if (rows) node.firstChild.append(renderKeyboard(rows, post));
  body.addEventListener("dblclick", () => startReply(post));
  return node;
}

function renderDocument(file) {
  const size = file.file_size < 1024 ? `${file.file_size} B` : `${(file.file_size / 1024).toFixed(1)} KB`;
  const words = make("span", "", make("b", "", file.file_name), make("small", "", size));
  const node = make("a", "file", make("span", "icon", "↓"), words);
  node.href = `/sim/file/${encodeURIComponent(file.file_id)}`;
  node.download = file.file_name;
  return node;
}

function renderKeyboard(rows, post) {
  const keyboard = make("div", "keyboard");
  for (const row of rows) {
    const line = make("div", "");
    for (const button of row) {
      const node = make("button", button.style ? `key ${button.style}` : "key", button.text);
      node.type = "button";
      if (button.url) {
        node.append(make("span", "out", "↗"));
        node.addEventListener("click", () => {
          if (/^https?:/i.test(button.url) && confirm(`${say("open")}\n\n${button.url}`)) {
            window.open(button.url, "_blank", "noopener,noreferrer");
          }
        });
      } else {
        node.addEventListener("click", () => press(post, button.callback_data, node));
      }
      line.append(node);
    }
    keyboard.append(line);
  }
  return keyboard;
}

function summary(post) {
  const text = (post.text ?? post.caption ?? post.document?.file_name ?? "").replace(/\s+/g, " ");
  const hidden = (post.entities || []).filter((entity) => entity.type === "spoiler");
  if (!hidden.length) return text.slice(0, 120);
  return [...(post.text || "")].length ? mask(post.text, hidden).replace(/\s+/g, " ").slice(0, 120) : "";
}

function mask(text, hidden) {
  let out = text;
  for (const { offset, length } of hidden) {
    out = out.slice(0, offset) + "▒".repeat(length) + out.slice(offset + length);
  }
  return out;
}
