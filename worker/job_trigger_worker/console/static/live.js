// The failures page, live: what fails appears at the top of its list, its sums follow.
"use strict";

const bar = document.getElementById("live");
const sums = document.getElementById("sums");
const codes = document.getElementById("codes");
const newest = document.getElementById("newest");
const body = newest.querySelector("tbody");
const blank = document.getElementById("row");
const pause = document.getElementById("pause");
const heard = document.getElementById("heard");
const most = Number(bar.dataset.most);
const LOOK_MS = 1000;
const SAY_MS = 15000;
const RETRY_MS = 5000;
const NONE = "–";

let source = null;
let position = bar.dataset.after;
let isConnected = false;
let hasEnded = false;
let isPaused = false;
let waiting = [];
let saidAt = 0;

function isUsed(part) {
  const selection = document.getSelection();
  const isMarked = selection.type === "Range" && part.contains(selection.anchorNode);
  return isMarked || part.contains(document.activeElement);
}

function isRead() {
  const isUnderMouse = window.matchMedia("(hover: hover)").matches && body.matches(":hover");
  return isPaused || isUnderMouse || isUsed(body);
}

function show() {
  let state = isConnected ? "live" : "away";
  if (isPaused || (waiting.length && isConnected)) state = "paused";
  if (hasEnded) state = "ended";
  for (const each of bar.querySelectorAll("[data-state]")) each.hidden = each.dataset.state !== state;
  pause.hidden = hasEnded;
  const many = waiting.length >= most ? "+" : "";
  bar.querySelector("[data-waiting]").textContent = waiting.length ? waiting.length + many : "";
}

function made(values) {
  const row = blank.content.firstElementChild.cloneNode(true);
  for (const each of row.querySelectorAll("[data-text]")) {
    const isExtra = each.dataset.text === "late";
    each.textContent = values[each.dataset.text] || (isExtra ? "" : NONE);
  }
  for (const each of row.querySelectorAll("[data-to]")) each.href = values[each.dataset.to];
  for (const each of row.querySelectorAll("[data-at]")) {
    const at = values[each.dataset.at];
    each.textContent = at ? at.text : NONE;
    if (at) {
      each.dateTime = at.iso;
      each.title = at.title;
    }
  }
  const link = row.querySelector("[data-named]");
  link.setAttribute("aria-label", link.dataset.named.replace("{id}", values.id));
  row.className = "new";
  return row;
}

// New rows wait while somebody reads the list: nothing moves under their eyes.
function fill() {
  if (waiting.length && !isRead()) {
    const last = waiting[waiting.length - 1];
    for (const values of waiting) body.prepend(made(values));
    while (body.rows.length > most) body.lastElementChild.remove();
    newest.hidden = false;
    waiting = [];
    if (Date.now() - saidAt >= SAY_MS) {
      saidAt = Date.now();
      heard.textContent = heard.dataset.said.replace("{job}", last.job);
    }
  }
  show();
}

function connect() {
  if (source || hasEnded || document.hidden) return;
  source = new EventSource(`${bar.dataset.stream}&after=${position}`);
  source.addEventListener("open", () => {
    isConnected = true;
    show();
  });
  source.addEventListener("rows", (event) => {
    position = event.lastEventId;
    waiting = waiting.concat(JSON.parse(event.data)).slice(-most);
    fill();
  });
  source.addEventListener("sums", (event) => {
    position = event.lastEventId;
    // Made by the same template as the page, where everything is escaped.
    const made = JSON.parse(event.data);
    if (!isPaused && !isUsed(sums)) sums.innerHTML = made.sums;
    if (!isPaused && !isUsed(codes)) codes.innerHTML = made.codes;
  });
  source.addEventListener("error", () => {
    isConnected = false;
    if (source && source.readyState === EventSource.CLOSED) retry();
    show();
  });
}

function disconnect() {
  if (source) source.close();
  source = null;
  isConnected = false;
}

// The browser comes back by itself after a break, but not after a refusal.
async function retry() {
  disconnect();
  try {
    const answer = await fetch("/api/v1/me", { credentials: "same-origin" });
    hasEnded = answer.status === 401;
  } catch {
    // Away for a moment; the next turn asks again.
  }
  show();
  setTimeout(connect, RETRY_MS);
}

pause.addEventListener("click", () => {
  const words = pause.textContent;
  pause.textContent = pause.dataset.resume;
  pause.dataset.resume = words;
  isPaused = !isPaused;
  fill();
});

// A page that nobody sees holds no connection; what it misses comes when it is seen again.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) disconnect();
  else connect();
});

bar.hidden = false;
setInterval(fill, LOOK_MS);
connect();
show();
