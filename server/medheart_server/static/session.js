// Who is signed in: the gate before the desk, signing in with a key, signing out.
import { call, holdToken, language, reason, say } from "./parts.js";

let who = { roles: [] };
let changed = () => {};

const part = (selector) => document.querySelector(selector);

export const signedIn = () => who.name != null;
export const may = (role) => who.roles.includes(role);

export async function startSession(onChange) {
  changed = onChange;
  part("#sign-in").addEventListener("submit", signIn);
  part("#sign-out").addEventListener("click", signOut);
  await askSession();
}

// Asks the service who we are; also after it refused us, because sessions and keys end there.
export async function askSession() {
  take(await call("GET", "/session"));
}

export function showWho() {
  const local = signedIn() && !who.signed_in;
  part("#who").textContent = signedIn() ? say(local ? "local_owner" : "signed_in_as", { name: who.name, role: say(`role_${who.roles.at(-1)}`) }) : "";
  part("#sign-out").hidden = !who.signed_in;
}

function take(facts) {
  who = facts;
  holdToken(facts.csrf);
  part("#gate").hidden = signedIn();
  part("#desk").hidden = !signedIn();
  part("#upload").hidden = !may("annotator");
  showWho();
  if (!signedIn()) part("#key").focus();
  changed();
}

async function signIn(event) {
  event.preventDefault();
  const field = part("#key");
  part("#gate-error").textContent = "";
  try {
    take(await call("POST", "/session", { key: field.value }));
    field.value = "";
    part("#search").focus();
  } catch (error) {
    part("#gate-error").textContent = reason(error);
    part("#gate-error").lang = language();
    field.select();
  }
}

async function signOut() {
  try {
    await call("DELETE", "/session");
  } finally {
    // What was shown must not stay behind for the next person.
    location.replace("/");
  }
}
