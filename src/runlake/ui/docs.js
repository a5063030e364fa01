// Renders the OpenAPI document of this server. Text from the document only ever becomes text nodes.
"use strict";

function node(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function named(reference, schemas) {
  return schemas[reference.split("/").pop()] || {};
}

// An example-like outline of a schema: what keys there are and what they hold.
function outline(schema, schemas, depth = 0) {
  if (!schema || depth > 6) return "...";
  if (schema.$ref) return outline(named(schema.$ref, schemas), schemas, depth);
  const choices = schema.anyOf || schema.oneOf;
  if (choices) {
    const real = choices.filter((choice) => choice.type !== "null");
    return real.length === 1 ? outline(real[0], schemas, depth) : real.map((choice) => brief(choice, schemas)).join(" or ");
  }
  if (schema.type === "array") return [outline(schema.items || {}, schemas, depth + 1)];
  if (schema.properties) {
    const entries = Object.entries(schema.properties);
    return Object.fromEntries(entries.map(([name, value]) => [name, outline(value, schemas, depth + 1)]));
  }
  return brief(schema, schemas);
}

function brief(schema, schemas) {
  if (schema.$ref) return brief(named(schema.$ref, schemas), schemas);
  const choices = schema.anyOf || schema.oneOf;
  if (choices) return choices.map((choice) => brief(choice, schemas)).filter((text) => text !== "null").join(" or ");
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.type === "array") return `list of ${brief(schema.items || {}, schemas)}`;
  return schema.format || [].concat(schema.type || "any").filter((type) => type !== "null").join(" or ");
}

function parameterTable(parameters, schemas) {
  const head = node("tr", {}, ...["name", "in", "type", "default", "meaning"].map((text) => node("th", {}, text)));
  const rows = parameters.map((parameter) => {
    const schema = parameter.schema || {};
    const preset = schema.default === undefined || schema.default === null ? "" : String(schema.default);
    const cells = [parameter.name, parameter.in, brief(schema, schemas), preset, parameter.description || ""];
    return node("tr", {}, ...cells.map((text, index) => node("td", {}, index === 0 ? node("code", {}, text) : text)));
  });
  return node("table", {}, node("thead", {}, head), node("tbody", {}, ...rows));
}

function contentBlock(title, content, schemas) {
  const schema = Object.values(content || {}).map((item) => item.schema).find(Boolean);
  return schema ? [node("h3", {}, title), node("pre", {}, JSON.stringify(outline(schema, schemas), null, 2))] : [];
}

function route(method, path, operation, schemas) {
  const success = Object.entries(operation.responses || {}).find(([status]) => status.startsWith("2"));
  const parameters = operation.parameters || [];
  const body = node(
    "div",
    { className: "body" },
    node("p", {}, operation.description || ""),
    ...(parameters.length ? [node("h3", {}, "Parameters"), parameterTable(parameters, schemas)] : []),
    ...contentBlock("Request body", operation.requestBody && operation.requestBody.content, schemas),
    ...(success ? contentBlock(`Answer ${success[0]}`, success[1].content, schemas) : []),
  );
  const title = node(
    "summary",
    {},
    node("span", { className: `method ${method}` }, method),
    node("span", { className: "path" }, path),
    node("span", { className: "brief" }, operation.summary || ""),
  );
  const made = node("details", {}, title, body);
  made.dataset.words = `${method} ${path} ${operation.summary || ""} ${operation.description || ""}`.toLowerCase();
  return made;
}

function sections(description) {
  const schemas = (description.components || {}).schemas || {};
  const groups = new Map();
  for (const [path, item] of Object.entries(description.paths)) {
    const group = path.split("/")[1] || "root";
    for (const [method, operation] of Object.entries(item)) {
      if (!operation.responses) continue;
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group).push(route(method.toUpperCase(), path, operation, schemas));
    }
  }
  const made = [...groups].map(([group, routes]) => node("section", {}, node("h2", {}, group), ...routes));
  const error = node("pre", {}, JSON.stringify(outline(schemas.ErrorBody, schemas), null, 2));
  return [...made, node("section", {}, node("h2", {}, "Errors"), error)];
}

function find(words) {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  for (const made of document.querySelectorAll("details")) {
    made.hidden = !wanted.every((word) => made.dataset.words.includes(word));
  }
  for (const section of document.querySelectorAll("section")) {
    const routes = [...section.querySelectorAll("details")];
    section.hidden = routes.length > 0 && routes.every((made) => made.hidden);
  }
}

async function start() {
  const target = document.getElementById("routes");
  try {
    const description = await (await fetch("openapi.json")).json();
    document.getElementById("about").textContent = `${description.info.description} Version ${description.info.version}.`;
    target.replaceChildren(...sections(description));
  } catch (error) {
    target.textContent = `The description of the API cannot be read: ${error}`;
  }
  document.getElementById("find").addEventListener("input", (event) => find(event.target.value));
}

start();
