// One study: its series, label versions, measurements, pictures, reports.
import { call, day, element, language, say, tell, tellError } from "./parts.js";
import { may } from "./session.js";

const PLANES = ["axial", "coronal", "sagittal"];

export async function showStudy(study, follow) {
  const segment = () => run("POST", `/studies/${study.id}/segment`, follow);
  const series = await Promise.all(study.series.map((one) => showSeries(one, follow)));
  return [
    element("div", { class: "line" },
      element("h2", { class: "grow", id: "study-title" }, `${study.patient} · ${day(study.date) || "–"} · ${study.id}`),
      may("annotator") ? button(`segment-${study.id}`, segment, say("segment"), "main") : ""),
    ...series.flat(),
  ];
}

const button = (id, onclick, text, kind = null) => element("button", { type: "button", class: kind, id, onclick }, text);

async function run(method, path, follow, done) {
  try {
    follow(await call(method, path), done);
  } catch (error) {
    tellError(error);
  }
}

const viewName = (view) => (PLANES.includes(view) || view === "surface" ? say(`view_${view}`) : view);

// A click opens the picture in full size.
const picture = (address, alt) => element("a", { href: address, target: "_blank", rel: "noopener" },
  element("img", { src: address, alt, loading: "lazy" }));

async function showSeries(series, follow) {
  const size = [...series.geometry.shape].reverse().join(" × ");
  const head = series.versions.length ? (await call("GET", `/series/${series.id}/versions`)).head : null;
  const versions = await Promise.all([...series.versions].reverse().map((one) => showVersion(one, series, head, follow)));
  const name = [series.modality || say("no_modality"), series.body_part, series.description].filter(Boolean).join(" ");
  return [
    element("h3", {}, name),
    element("p", { class: "soft" }, `${series.id} · ${size}`),
    ...(versions.length ? versions : [
      element("div", { class: "pictures" }, PLANES.map((plane) =>
        picture(`/api/v1/series/${series.id}/picture?plane=${plane}`, `${name}: ${viewName(plane)}`))),
      element("p", { class: "soft" }, say("no_versions"))]),
  ];
}

async function showVersion(version, series, head, follow) {
  const { documents, names } = await call("GET", `/versions/${version.id}`);
  const latest = (kind) => documents.filter((one) => one.kind === kind);
  const pictures = Object.values(Object.fromEntries(latest("picture").map((one) => [one.meta.view, one])));
  const labels = Object.values(names).map((name) => name[language()]).join(", ");
  const origin = ["manual", "edited", "imported"].includes(version.origin) ? say(`origin_${version.origin}`) : version.origin;
  const title = `version-${version.id}`;
  return element("article", { class: version.id === head ? "version head" : "version", "aria-labelledby": title },
    element("div", { class: "line" },
      element("h4", { class: "grow", id: title }, element("strong", {}, `#${version.number}`), ` ${origin} · ${version.author}`),
      version.id === head ? element("span", { class: "tag" }, say("head")) : "",
      version.meta.status === "research" ? element("span", { class: "tag warn" }, say("research")) : "",
      element("span", { class: "tag" }, say(`state_${version.state}`))),
    element("p", { class: "soft" }, `${version.created.slice(0, 19).replace("T", " ")} UTC ${version.note}`),
    showWarnings(version.meta.warnings || []),
    element("div", { class: "pictures" }, pictures.map((one) =>
      picture(`/api/v1/documents/${one.id}`, `${viewName(one.meta.view)}: ${labels}`))),
    latest("measurements").length ? await showMeasurements(version, names) : "",
    showActions(version, series, head, follow, latest));
}

function showActions(version, series, head, follow, latest) {
  const base = `/api/v1/versions/${version.id}`;
  const parent = series.versions.find((one) => one.id === version.parents[0]);
  const reported = latest("report").some((one) => one.meta.language === language());
  const job = (what, path, text, kind) => button(`${what}-${version.id}`, () => run("POST", `/versions/${version.id}/${path}`, follow), text, kind);
  const link = (address, text, more = {}) => element("a", { class: "button", href: address, ...more }, text);
  const page = { target: "_blank", rel: "noopener" };
  const first = [], rest = [];
  if (version.state === "draft" && may("annotator")) first.push(marking(version, "submitted", say("submit")));
  if (["submitted", "returned", "flagged"].includes(version.state) && may("reviewer")) first.push(marking(version, "approved", say("approve")));
  if (reported) for (const kind of ["html", "pdf"]) first.push(link(`${base}/report?lang=${language()}&format=${kind}`, `${say("report")} ${kind.toUpperCase()}`, page));
  if (may("annotator")) {
    (latest("measurements").length ? rest : first).push(job("measure", "measurements", say("measure")));
    (reported ? rest : first).push(job("report", `report?lang=${language()}`, say(reported ? "report_again" : "make_report")));
  }
  for (const kind of ["nii.gz", "seg.nrrd"]) rest.push(link(`${base}/labels?format=${kind}`, `${say("download")} .${kind}`));
  if (latest("dicom-seg").length) rest.push(link(`${base}/labels?format=dcm`, "DICOM SEG"));
  else if (may("annotator")) rest.push(job("dicom-seg", "labels", say("make_dicom_seg")));
  if (parent) rest.push(button(`compare-${version.id}`, () => compare(parent, version), say("differs")));
  if (version.id !== head && version.state !== "draft" && may("annotator")) rest.push(button(`restore-${version.id}`, () => restore(version), say("restore")));
  return element("div", {},
    element("div", { class: "actions" }, first),
    element("details", {}, element("summary", { id: `more-${version.id}` }, say("more")),
      element("div", { class: "actions" }, rest), element("p", { class: "soft" }, `${say("version")} ${version.id}`)));
}

function showWarnings(warnings) {
  const texts = warnings.filter((one) => one.text).map((one) => one.text[language()] || one.text.en);
  if (!texts.length) return "";
  return element("p", { class: "soft" }, `${say("warnings")}: ${texts.join("; ")}`);
}

async function compare(parent, version) {
  try {
    const found = await call("GET", `/versions/${parent.id}/diff/${version.id}`);
    tell(say("changed", { count: found.changed, number: parent.number }), true);
  } catch (error) {
    tellError(error);
  }
}

function marking(version, state, text) {
  const mark = async () => {
    try {
      await call("POST", `/versions/${version.id}/events`, { kind: "state", value: state });
    } catch (error) {
      tellError(error);
    }
  };
  return button(`${state}-${version.id}`, mark, text);
}

async function restore(version) {
  try {
    await call("POST", `/versions/${version.id}/restore`, { note: "" });
  } catch (error) {
    tellError(error);
  }
}

async function showMeasurements(version, names) {
  const data = await call("GET", `/versions/${version.id}/measurements`);
  const cell = (one, code) => {
    const found = (one?.measurements || []).find((number) => number.code === code);
    const text = found ? `${found.value.toFixed(found.digits)} ${found.unit === "1" ? "" : found.unit}` : "";
    return element("td", { class: "number" }, text);
  };
  const row = (name, one, part) => element("tr", {}, element("th", { scope: "row" }, name),
    cell(one, "component_count"), cell(one, "volume"), cell(part, "max_diameter_3d"));
  const rows = data.labels.flatMap((label) => [
    row((names[label.name] || {})[language()] || label.name, label, label.components[0]),
    ...(label.components.length > 1 ? label.components.slice(0, 5) : []).map((part) => row(`\u2003${part.index}`, part, part)),
  ]);
  return element("div", {},
    element("table", {},
      element("thead", {}, element("tr", {}, element("th", { scope: "col" }, say("label")),
        ["parts", "volume", "diameter"].map((key) => element("th", { class: "number", scope: "col" }, say(key))))),
      element("tbody", {}, rows)),
    data.labels.some((label) => label.components.length) ? "" : element("p", {}, say("not_detected")));
}
