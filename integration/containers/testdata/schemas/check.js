// check.js KIND FILE checks an example with what its CI system publishes: the schemas of GitHub for
// workflows and actions, GitLab's schema of .gitlab-ci.yml, and the rules of the linter for Tekton. It
// prints one problem per line.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { register } from "node:module";
import Ajv from "ajv";
import { schema } from "gitlab-ci-local/src/schema/schema.js";
import { parse } from "yaml";

// The package of GitHub imports its schemas without the attribute that node wants for JSON.
register("data:text/javascript," + encodeURIComponent(`
  export const load = (url, context, next) =>
    next(url, url.endsWith(".json") ? { ...context, importAttributes: { type: "json" } } : context);
`));
const { convertWorkflowTemplate, NoOperationTraceWriter, parseWorkflow } = await import("@actions/workflow-parser");
const { parseAction } = await import("@actions/workflow-parser/actions/index");

const [kind, file] = process.argv.slice(2);
const content = readFileSync(file, "utf8");

async function problems() {
  switch (kind) {
    case "workflow": {
      const { context, value } = parseWorkflow({ name: file, content }, new NoOperationTraceWriter());
      if (value) await convertWorkflowTemplate(context, value);
      return context.errors.getErrors().map((e) => e.message);
    }
    case "action":
      return parseAction({ name: file, content }, new NoOperationTraceWriter())
        .context.errors.getErrors().map((e) => e.message);
    case "gitlab": {
      const validate = new Ajv({ allErrors: true, strict: false, validateFormats: false }).compile(schema);
      validate(parse(content));
      return (validate.errors ?? []).map((e) => `${e.instancePath}: ${e.message}`);
    }
    case "tekton": {
      const { stdout } = spawnSync("node_modules/.bin/tekton-lint", ["--format", "json", file], { encoding: "utf8" });
      return JSON.parse(stdout).map((p) => p.message);
    }
  }
  throw new Error(`unknown kind ${kind}`);
}

for (const problem of await problems()) console.log(problem);
