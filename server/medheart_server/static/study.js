// One study: its series, label versions, measurements, pictures, reports.
import { call, day, element, language, say, tell } from "./parts.js";

export async function showStudy(study, follow) {
  const segment = () => run("POST", `/studies/${study.id}/segment`, follow);
  const series = await Promise.all(study.series.map((one) => showSeries(one, follow)));
  return [
    element("div", { class: "line" },
      element("h2", { class: "grow" }, `${study.patient} · ${day(study.date) || "–"} · ${study.id}`),
      element("button", { class: "main", onclick: segment }, say("segment"))),
    ...series.flat(),
  ];
}

async function run(method, path, follow, done) {
  try {
    follow(await call(method, path), done);
  } catch (error) {
    tell(error.message, true);
  }
}

async function showSeries(series, follow) {
  const size = [...series.geometry.shape].reverse().join(" × ");
  const head = series.versions.length ? (await call("GET", `/series/${series.id}/versions`)).head : null;
  const versions = await Promise.all([...series.versions].reverse().map((one) => showVersion(one, series, head, follow)));
  return [
    element("h3", {}, `${series.modality || "?"} ${series.body_part} ${series.description}`),
    element("p", { class: "soft" }, `${series.id} · ${size}`),
    ...(versions.length ? versions : [
      element("div", { class: "pictures" }, ["axial", "coronal", "sagittal"].map((plane) =>
        element("img", { src: `/api/v1/series/${series.id}/picture?plane=${plane}`, alt: plane, loading: "lazy" }))),
      element("p", { class: "soft" }, say("no_versions"))]),
  ];
}

async function showVersion(version, series, head, follow) {
  const { documents, names } = await call("GET", `/versions/${version.id}`);
  const parent = series.versions.find((one) => one.id === version.parents[0]);
  const base = `/api/v1/versions/${version.id}`;
  const latest = (kind) => documents.filter((one) => one.kind === kind);
  const reports = latest("report").filter((one) => one.meta.language === language());
  const pictures = Object.values(Object.fromEntries(latest("picture").map((one) => [one.meta.view, one])));
  return element("article", { class: version.id === head ? "version head" : "version" },
    element("div", { class: "line" },
      element("strong", {}, `#${version.number}`),
      element("span", { class: "grow" }, `${version.origin} · ${version.author}`),
      version.id === head ? element("span", { class: "tag" }, say("head")) : "",
      version.meta.status === "research" ? element("span", { class: "tag warn" }, say("research")) : "",
      element("span", { class: "tag" }, say(`state_${version.state}`))),
    element("p", { class: "soft" }, `${version.id} · ${version.created.slice(0, 19).replace("T", " ")} ${version.note}`),
    showWarnings(version.meta.warnings || []),
    element("div", { class: "pictures" }, pictures.map((one) =>
      element("img", { src: `/api/v1/documents/${one.id}`, alt: one.meta.view, loading: "lazy" }))),
    latest("measurements").length ? await showMeasurements(version, names) : "",
    element("div", { class: "actions" },
      element("button", { onclick: () => run("POST", `/versions/${version.id}/measurements`, follow) }, say("measure")),
      element("button", { onclick: () => run("POST", `/versions/${version.id}/report?lang=${language()}`, follow) }, say("report")),
      ...["html", "pdf"].filter(() => reports.length).map((kind) => element("a",
        { class: "button", target: "_blank", rel: "noopener", href: `${base}/report?lang=${language()}&format=${kind}` },
        `${say("report")} ${kind.toUpperCase()}`)),
      ...["nii.gz", "seg.nrrd"].map((kind) => element("a", { class: "button", href: `${base}/labels?format=${kind}` }, `${say("download")} .${kind}`)),
      latest("dicom-seg").length
        ? element("a", { class: "button", href: `${base}/labels?format=dcm` }, "DICOM SEG")
        : element("button", { onclick: () => run("POST", `/versions/${version.id}/labels`, follow) }, "DICOM SEG"),
      parent ? element("button", { onclick: () => compare(parent, version) }, say("differs")) : "",
      version.id === head ? "" : element("button", { onclick: () => restore(version) }, say("restore"))));
}

function showWarnings(warnings) {
  const texts = warnings.filter((one) => one.text).map((one) => one.text[language()] || one.text.en);
  if (!texts.length) return "";
  return element("p", { class: "soft" }, `${say("warnings")}: ${texts.join("; ")}`);
}

async function compare(parent, version) {
  const found = await call("GET", `/versions/${parent.id}/diff/${version.id}`);
  tell(say("changed", { count: found.changed, number: parent.number }), true);
}

async function restore(version) {
  try {
    await call("POST", `/versions/${version.id}/restore`, { note: "" });
  } catch (error) {
    tell(error.message, true);
  }
}

async function showMeasurements(version, names) {
  const data = await call("GET", `/versions/${version.id}/measurements`);
  const cell = (one, code) => {
    const found = (one?.measurements || []).find((number) => number.code === code);
    const text = found ? `${found.value.toFixed(found.digits)} ${found.unit === "1" ? "" : found.unit}` : "";
    return element("td", { class: "number" }, text);
  };
  const row = (name, one, part) => element("tr", {}, element("td", {}, name),
    cell(one, "component_count"), cell(one, "volume"), cell(part, "max_diameter_3d"));
  const rows = data.labels.flatMap((label) => [
    row((names[label.name] || {})[language()] || label.name, label, label.components[0]),
    ...(label.components.length > 1 ? label.components.slice(0, 5) : []).map((part) => row(`\u2003${part.index}`, part, part)),
  ]);
  return element("div", {},
    element("table", {},
      element("thead", {}, element("tr", {}, element("th", {}, say("label")), ["parts", "volume", "diameter"].map((key) => element("th", { class: "number" }, say(key))))),
      element("tbody", {}, rows)),
    data.labels.some((label) => label.components.length) ? "" : element("p", {}, say("not_detected")));
}
