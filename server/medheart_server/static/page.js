// The first page: studies, their label versions, pictures and reports, and the jobs that run.
import { call, day, element, fill, language, say, setLanguage, startLanguage, tell } from "./parts.js";
import { showStudy } from "./study.js";

let chosen = location.hash.slice(1);
let shown = "";
const followed = new Map();

async function refreshStudies() {
  const query = document.querySelector("#search").value;
  const { studies } = await call("GET", `/studies?q=${encodeURIComponent(query)}`);
  const study = studies.find((one) => one.id === chosen) || studies[0];
  fill("#studies", studies.length ? studies.map((one) => studyLine(one, study)) : [element("li", { class: "empty" }, say("no_studies"))]);
  const state = JSON.stringify([study, language()]);
  if (state !== shown) {
    shown = state;
    fill("#study", study ? await showStudy(study, follow) : [element("p", { class: "empty" }, say("choose_study"))]);
  }
}

function studyLine(study, current) {
  const kinds = [...new Set(study.series.map((one) => one.modality || "?"))].join(" ");
  const count = study.series.reduce((sum, one) => sum + one.versions.length, 0);
  const open = () => { chosen = study.id; history.replaceState(null, "", `#${chosen}`); refresh(); };
  return element("li", { tabindex: 0, "aria-current": study === current, onclick: open,
    onkeydown: (event) => event.key === "Enter" && open() },
    element("div", { class: "line" },
      element("strong", { class: "grow" }, study.patient), element("span", { class: "soft" }, day(study.date))),
    element("div", { class: "line soft" },
      element("span", { class: "grow" }, `${kinds} ${study.description} · ${study.id}`),
      count ? element("span", { class: "tag" }, say("count", { count })) : ""));
}

async function refreshJobs() {
  const { jobs } = await call("GET", "/jobs?limit=15");
  fill("#jobs", jobs.length ? jobs.map(jobLine) : [element("li", { class: "empty" }, say("no_jobs"))]);
  for (const job of jobs) if (followed.has(job.id) && isOver(job)) finish(job);
  return jobs.some((job) => !isOver(job));
}

const isOver = (job) => ["succeeded", "failed", "cancelled"].includes(job.state);

function finish(job) {
  const done = followed.get(job.id);
  followed.delete(job.id);
  if (job.state === "failed") tell(job.error, true);
  if (job.state !== "succeeded") return;
  const cases = job.result.cases || [];
  for (const one of cases) {
    if (one.status && one.status !== "accepted") tell(say("rejected", one), true);
    if (one.error) tell(one.error.message, true);
    const why = Object.values(one.refused || {}).flat().map((reason) => reason.text[language()]).join("; ");
    if (one.version === null && why) tell(say("no_task", { why }));
    if (one.study) chosen = one.study;
  }
  if (done) done(job);
}

function jobLine(job) {
  const bar = element("progress", job.total ? { max: job.total, value: job.done } : {});
  const left = job.seconds_left ? say("seconds_left", { seconds: Math.ceil(job.seconds_left) }) : job.message;
  return element("li", {},
    element("div", { class: "line" },
      element("span", { class: "grow" }, say(`job_${job.name}`)),
      element("span", { class: job.state === "failed" ? "bad" : "soft" }, say(job.state, job)),
      isOver(job) ? "" : element("button", { onclick: () => call("DELETE", `/jobs/${job.id}`).then(refresh) }, say("cancel"))),
    job.state === "running" ? bar : "",
    element("div", { class: "soft" }, job.state === "failed" ? job.error : job.state === "running" ? left : ""));
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
  follow(await call("POST", "/studies", form));
}

let timer = 0;
async function refresh() {
  clearTimeout(timer);
  let busy = false;
  try {
    busy = await refreshJobs();
    await refreshStudies();
  } catch (error) {
    tell(error.message || say("unreachable"), true);
  }
  timer = setTimeout(refresh, busy ? 700 : 4000);
}

const drop = document.querySelector("#drop");
for (const kind of ["dragover", "dragleave", "drop"]) {
  drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.toggle("over", kind === "dragover"); });
}
drop.addEventListener("drop", (event) => upload(event.dataTransfer.files).catch((error) => tell(error.message, true)));
document.querySelector("#files").addEventListener("change", (event) =>
  upload(event.target.files).catch((error) => tell(error.message, true)));
document.querySelector("#search").addEventListener("input", refresh);
document.querySelector("#language").addEventListener("click", () => { setLanguage(say("_code") === "en" ? "zh" : "en"); refresh(); });
await startLanguage();
refresh();
