// The first page: studies, their label versions, pictures and reports, and the jobs that run.
import { call, day, element, language, reason, redraw, say, setLanguage, startLanguage, tell, tellError } from "./parts.js";
import { askSession, may, showWho, signedIn, startSession } from "./session.js";
import { showStudy } from "./study.js";

let chosen = location.hash.slice(1);
const followed = new Map();
const JOBS_MS = 700;
const STUDIES_MS = 4000;
let studiesDue = 0;

async function refreshStudies() {
  const query = document.querySelector("#search").value;
  const { studies, total } = await call("GET", `/studies?q=${encodeURIComponent(query)}`);
  const line = studies.find((one) => one.id === chosen) || studies[0];
  await redraw("#studies", [studies, total, line?.id], () => studies.length
    ? [...studies.map((one) => studyLine(one, line)), ...(total > studies.length ? [moreLine(total - studies.length)] : [])]
    : [element("li", { class: "empty" }, say(query ? "none_found" : "no_studies"))]);
  const study = line && await call("GET", `/studies/${line.id}`);
  studiesDue = Date.now() + STUDIES_MS;
  await redraw("#study", study ?? null, () => study
    ? showStudy(study, follow)
    : [element("h2", { id: "study-title", class: "empty" }, say("choose_study"))]);
}

const moreLine = (count) => element("li", { class: "empty" }, say("more_studies", { count }));

function studyLine(study, current) {
  const kinds = [...new Set(study.series.map((one) => one.modality || say("no_modality")))].join(" ");
  const count = study.versions;
  const open = () => { chosen = study.id; history.replaceState(null, "", `#${chosen}`); refresh(); };
  return element("li", {}, element("button", { type: "button", class: "pick", id: `pick-${study.id}`, "aria-current": study === current, onclick: open },
    element("span", { class: "line" },
      element("strong", { class: "grow" }, study.patient), element("span", { class: "soft" }, day(study.date))),
    element("span", { class: "line soft" },
      element("span", { class: "grow" }, `${kinds} ${study.description} · ${study.id}`),
      count ? element("span", { class: "tag" }, say("count", { count })) : "")));
}

async function refreshJobs() {
  const { jobs } = await call("GET", "/jobs?limit=15");
  await redraw("#jobs", jobs, () => jobs.length ? jobs.map(jobLine) : [element("li", { class: "empty" }, say("no_jobs"))]);
  for (const job of jobs) if (followed.has(job.id) && isOver(job)) finish(job);
  return jobs.some((job) => !isOver(job));
}

const isOver = (job) => ["succeeded", "failed", "cancelled"].includes(job.state);

function finish(job) {
  const done = followed.get(job.id);
  followed.delete(job.id);
  studiesDue = 0;
  if (job.state === "failed") tell(`${say(`job_${job.name}`)} · ${say("failed")}: ${failure(job)}`, true);
  if (job.state !== "succeeded") return;
  const cases = job.result.cases || [];
  for (const one of cases) {
    if (one.status && one.status !== "accepted") tell(say("rejected", { path: one.path, message: reason(one) }), true);
    if (one.error) tellError(one.error);
    const why = Object.values(one.refused || {}).flat().map((word) => word.text[language()]).join("; ");
    if (one.version === null && why) tell(say("no_task", { why }));
    if (one.study) chosen = one.study;
  }
  if (done) done(job);
}

const failure = (job) => reason({ code: job.error_code, message: job.error });

function jobLine(job) {
  const name = say(`job_${job.name}`);
  const bar = element("progress", { "aria-label": name, ...(job.total ? { max: job.total, value: job.done } : {}) });
  const left = job.seconds_left ? say("seconds_left", { seconds: Math.ceil(job.seconds_left) }) : job.message;
  const cancel = () => call("DELETE", `/jobs/${job.id}`).then(refresh, tellError);
  return element("li", {},
    element("div", { class: "line" },
      element("span", { class: "grow" }, name),
      element("span", { class: job.state === "failed" ? "bad" : "soft" }, say(job.state, job)),
      isOver(job) || !may("annotator") ? "" : element("button", { type: "button", id: `cancel-${job.id}`, onclick: cancel, "aria-label": `${say("cancel")}: ${name}` }, say("cancel"))),
    job.state === "running" ? bar : "",
    element("div", { class: "soft" }, job.state === "failed" ? failure(job) : job.state === "running" ? left : ""));
}

function follow(job, done) {
  followed.set(job.id, done);
  refresh();
}

async function upload(files) {
  if (!files.length) return;
  const form = new FormData();
  for (const file of files) form.append("files", file, file.name);
  tell(say("uploading"));
  try {
    follow(await call("POST", "/studies", form));
  } catch (error) {
    tellError(error);
  }
}

let timer = 0;
// While a job runs its progress is asked for often, the studies no more often than else.
const poll = () => refresh(Date.now() >= studiesDue);
async function refresh(studiesToo = true) {
  clearTimeout(timer);
  if (!signedIn()) return;
  let busy = false;
  try {
    busy = await refreshJobs();
    if (studiesToo || !studiesDue) await refreshStudies();
  } catch (error) {
    if (error.status === 401) { askSession().catch(tellError); return; }
    tell(error.status ? reason(error) : say("unreachable"), true);
  }
  clearTimeout(timer);
  timer = setTimeout(poll, busy ? JOBS_MS : STUDIES_MS);
}

const drop = document.querySelector("#drop");
for (const kind of ["dragover", "dragleave", "drop"]) {
  drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.toggle("over", kind === "dragover"); });
}
drop.addEventListener("drop", (event) => upload(event.dataTransfer.files));
document.querySelector("#files").addEventListener("change", (event) => upload(event.target.files));
document.querySelector("#upload").addEventListener("submit", (event) => event.preventDefault());
document.querySelector("#search").addEventListener("input", () => refresh());
document.querySelector("#language").addEventListener("click", () => { setLanguage(say("_code") === "en" ? "zh" : "en"); showWho(); refresh(); });
await startLanguage();
await startSession(refresh).catch(() => tell(say("unreachable"), true));
