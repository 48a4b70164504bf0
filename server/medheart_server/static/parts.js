// What every part of the page needs: texts in two languages, elements, calls to the service.
let texts = {};
let code = localStorage.getItem("language") || (navigator.language.startsWith("zh") ? "zh" : "en");
let token = null;

export const language = () => code;
export const holdToken = (csrf) => { token = csrf; };

export async function startLanguage() {
  texts = await (await fetch("/static/texts.json")).json();
  setLanguage(code);
}

export function setLanguage(chosen) {
  code = chosen;
  localStorage.setItem("language", chosen);
  document.documentElement.lang = chosen === "zh" ? "zh-CN" : "en";
  const button = document.querySelector("#language");
  button.textContent = say("_language");
  button.lang = chosen === "zh" ? "en" : "zh-CN";
  for (const node of document.querySelectorAll("[data-text]")) node.textContent = say(node.dataset.text);
}

export function say(key, values = {}) {
  const text = texts[code][key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

// What went wrong in the reader's language. The service's own words are English and more exact: they follow.
export function reason({ code: word, message }) {
  const text = texts[code][`error_${word}`];
  if (code === "en" || !text) return message || text;
  return message && !text.endsWith("。") ? `${text}（${message}）` : text;
}

// Texts become text nodes, never markup.
export function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(key, value);
  }
  node.append(...children.flat().filter((child) => child !== "" && child !== null));
  return node;
}

export function fill(selector, children) {
  document.querySelector(selector).replaceChildren(...children);
}

// Draws again only what differs: focus, open lists and a screen reader's place stay where they are.
const drawn = new Map();
export async function redraw(selector, state, make) {
  const key = JSON.stringify([state, code]);
  if (drawn.get(selector) === key) return;
  const children = await make();
  drawn.set(selector, key);
  const focused = document.activeElement?.closest(selector) ? document.activeElement.id : "";
  fill(selector, children);
  if (focused) document.getElementById(focused)?.focus();
}

export async function call(method, path, body) {
  const options = { method, headers: {} };
  if (body instanceof FormData) options.body = body;
  else if (body) { options.body = JSON.stringify(body); options.headers["Content-Type"] = "application/json"; }
  if (method !== "GET" && token) options.headers["X-CSRF-Token"] = token;
  const reply = await fetch(`/api/v1${path}`, options);
  const data = reply.status === 204 ? {} : await reply.json();
  if (!reply.ok) throw Object.assign(new Error(data.detail || reply.statusText), { code: data.code, status: reply.status });
  return data;
}

export const day = (date) => date.replace(/^(\d{4})(\d{2})(\d{2})$/, "$1-$2-$3");

let hiding = 0;
export function tell(message, lasting = false) {
  const box = document.querySelector("#message");
  box.textContent = message;
  box.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => { box.hidden = true; }, lasting ? 12000 : 3500);
}

export const tellError = (error) => tell(reason(error), true);
