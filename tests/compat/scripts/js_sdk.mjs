// The JavaScript SDK: what its users call, one feature after the other; prints one JSON object, title to verdict.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import path from "node:path";
import { writeSync } from "node:fs";

const modules = path.join(process.env.COMPAT_MODULES, "index.js");
const require = createRequire(modules);
const load = async (name) => import(pathToFileURL(require.resolve(name)).href);

const { Client, RunTree } = await load("langsmith");
const { traceable, getCurrentRunTree } = await load("langsmith/traceable");
const { evaluate } = await load("langsmith/evaluation");

const PROJECT = process.env.LANGSMITH_PROJECT;
const client = new Client();

class Absent extends Error {}

function expect(found, wanted) {
  const [left, right] = [JSON.stringify(found), JSON.stringify(wanted)];
  if (left !== right) throw new Error(`expected ${right}, found ${left}`);
}

function need(...names) {
  for (const name of names) if (typeof client[name] !== "function") throw new Absent(name);
}

async function all(iterable) {
  const found = [];
  for await (const one of iterable) found.push(one);
  return found;
}

async function flush() {
  if (client.flush) await client.flush();
  await client.awaitPendingTraceBatches();
}

async function runsOf(traceId) {
  await flush();
  const runs = await all(client.listRuns({ projectName: PROJECT, traceId }));
  return Object.fromEntries(runs.map((run) => [run.name, run]));
}

const options = { client, project_name: PROJECT };
const lookUp = traceable(async (word) => `${word}!`, { ...options, name: "look up", run_type: "tool" });
const model = traceable(
  async (text) => ({
    content: text,
    usage_metadata: { input_tokens: 11, output_tokens: 7, total_tokens: 18 },
  }),
  { ...options, name: "model", run_type: "llm", metadata: { ls_provider: "openai", ls_model_name: "gpt-4o" } },
);
const agent = traceable(
  async (word) => {
    await model(await lookUp(word));
    return getCurrentRunTree().trace_id;
  },
  { ...options, name: "agent", tags: ["outer"], metadata: { session_id: "thread 1" } },
);
const judged = async () => (await runsOf(await agent("judged"))).agent;

const features = {
  "`traceable`: nested runs, tags, metadata": async () => {
    const runs = await runsOf(await agent("zebra"));
    expect(Object.keys(runs).sort(), ["agent", "look up", "model"]);
    expect(runs["look up"].parent_run_id, runs.agent.id);
    expect(runs.agent.tags, ["outer"]);
    expect(runs.agent.status, "success");
  },
  "tokens and costs, summed to the root": async () => {
    const runs = await runsOf(await agent("tokens"));
    expect([runs.model.prompt_tokens, runs.model.completion_tokens, runs.agent.total_tokens], [11, 7, 18]);
    expect(Number(runs.agent.total_cost) > 0, true);
  },
  "streamed outputs": async () => {
    const words = traceable(
      async function* () {
        yield* ["to", "ge", "ther"];
      },
      { ...options, name: "words", run_type: "llm", aggregator: (parts) => parts.join("") },
    );
    const outer = traceable(
      async () => {
        await all(await words());
        return getCurrentRunTree().trace_id;
      },
      { ...options, name: "outer" },
    );
    const run = (await runsOf(await outer())).words;
    expect(run.outputs, { outputs: "together" });
    expect(run.events.length >= 3, true);
  },
  errors: async () => {
    let trace;
    const fail = traceable(
      async () => {
        trace = getCurrentRunTree().trace_id;
        throw new Error("no luck");
      },
      { ...options, name: "failing" },
    );
    await fail().catch(() => null);
    const run = (await runsOf(trace)).failing;
    expect([run.status, run.error.includes("no luck")], ["error", true]);
  },
  "`RunTree` by hand, visible while it runs": async () => {
    const root = new RunTree({ name: "tree", run_type: "chain", inputs: { a: 1 }, client, project_name: PROJECT });
    await root.postRun();
    const child = root.createChild({ name: "leaf", run_type: "tool", inputs: {} });
    await child.postRun();
    const before = await runsOf(root.trace_id);
    expect(before.leaf.end_time ?? null, null);
    await child.end({ done: true });
    await child.patchRun();
    await root.end({ b: 2 });
    await root.patchRun();
    const after = await runsOf(root.trace_id);
    expect([after.tree.outputs, after.leaf.outputs], [{ b: 2 }, { done: true }]);
  },
  "a trace continued in another program": async () => {
    const root = new RunTree({ name: "caller", run_type: "chain", inputs: {}, client, project_name: PROJECT });
    await root.postRun();
    const far = RunTree.fromHeaders(root.toHeaders(), { name: "callee", client, project_name: PROJECT });
    const child = far.createChild ? far.createChild({ name: "callee", run_type: "tool", inputs: {} }) : far;
    await child.postRun();
    await child.end({});
    await child.patchRun();
    await root.end({});
    await root.patchRun();
    const runs = await runsOf(root.trace_id);
    expect(runs.callee.parent_run_id, runs.caller.id);
  },
  "attachments, sent and read": async () => {
    const content = new Uint8Array(2048).map((_, place) => place % 256);
    const tree = new RunTree({
      name: "files",
      run_type: "chain",
      inputs: {},
      client,
      project_name: PROJECT,
      attachments: { picture: ["image/png", content] },
    });
    await tree.postRun();
    await tree.end({});
    await tree.patchRun();
    await flush();
    const run = await client.readRun(tree.id);
    const link = run.s3_urls["attachment.picture"].presigned_url;
    const answer = await fetch(link);
    expect(answer.headers.get("content-type"), "image/png");
    expect(Buffer.from(await answer.arrayBuffer()).equals(Buffer.from(content)), true);
  },
  "unbatched writes": async () => {
    const plain = new Client({ autoBatchTracing: false });
    const id = crypto.randomUUID();
    await plain.createRun({ id, name: "single", run_type: "chain", inputs: { a: 1 }, project_name: PROJECT });
    await plain.updateRun(id, { outputs: { b: 2 }, end_time: Date.now() });
    const run = await client.readRun(id);
    expect([run.name, run.inputs, run.outputs], ["single", { a: 1 }, { b: 2 }]);
  },
  "`listRuns` with filter, trace filter, tree filter": async () => {
    const trace = await agent("listed");
    await flush();
    const found = await all(
      client.listRuns({
        projectName: PROJECT,
        filter: 'and(eq(name, "look up"), search("listed"))',
        traceFilter: 'has(tags, "outer")',
        treeFilter: 'eq(name, "model")',
      }),
    );
    expect(found.map((run) => run.trace_id), [trace]);
  },
  "`listRuns` over several pages": async () => {
    const project = `${PROJECT} pages`;
    const many = Array.from({ length: 130 }, (_, number) =>
      client.createRun({ name: `n${number}`, run_type: "chain", inputs: {}, project_name: project, end_time: Date.now() }),
    );
    await Promise.all(many);
    await flush();
    const runs = await all(client.listRuns({ projectName: project }));
    expect(new Set(runs.map((run) => run.id)).size, 130);
  },
  "`readRun` with its child runs": async () => {
    const root = await judged();
    const run = await client.readRun(root.id, { loadChildRuns: true });
    expect(run.child_runs.map((child) => child.name), ["look up", "model"]);
  },
  "feedback: create, list, change, delete": async () => {
    const run = await judged();
    const more = { sessionId: run.session_id, projectId: undefined };
    const made = await client.createFeedback(run.id, "quality", { score: 0.5, comment: "so so", ...more });
    await client.createFeedback(run.id, "kind", { value: "good", ...more });
    const keys = async () => (await all(client.listFeedback({ runIds: [run.id] }))).map((one) => one.key).sort();
    expect(await keys(), ["kind", "quality"]);
    await client.updateFeedback(made.id, { score: 1 });
    expect((await client.readFeedback(made.id)).score, 1);
    await client.deleteFeedback(made.id);
    expect(await keys(), ["kind"]);
  },
  "feedback by presigned URL": async () => {
    const run = await judged();
    const token = await client.createPresignedFeedbackToken(run.id, "thumb");
    expect((await fetch(`${token.url}?score=1`)).status, 200);
    expect((await all(client.listPresignedFeedbackTokens(run.id))).length, 1);
    const keys = (await all(client.listFeedback({ runIds: [run.id] }))).map((one) => one.key);
    expect(keys, ["thumb"]);
  },
  "feedback configs": async () => {
    need("createFeedbackConfig", "listFeedbackConfigs", "updateFeedbackConfig", "deleteFeedbackConfig");
    const feedbackKey = `config ${crypto.randomUUID()}`;
    const feedbackConfig = { type: "continuous", min: 0, max: 1 };
    await client.createFeedbackConfig({ feedbackKey, feedbackConfig });
    await client.updateFeedbackConfig(feedbackKey, { isLowerScoreBetter: true });
    const found = await all(client.listFeedbackConfigs({ feedbackKeys: [feedbackKey] }));
    expect(found.map((one) => one.is_lower_score_better), [true]);
    await client.deleteFeedbackConfig(feedbackKey);
  },
  projects: async () => {
    const name = `${PROJECT} made`;
    const made = await client.createProject({ projectName: name, description: "first" });
    await client.updateProject(made.id, { description: "second" });
    const read = await client.readProject({ projectName: name });
    expect([read.id, read.description], [made.id, "second"]);
    expect((await all(client.listProjects({ nameContains: name }))).length, 1);
    await client.deleteProject({ projectName: name });
    expect(await client.hasProject({ projectName: name }), false);
  },
  statistics: async () => {
    await judged();
    const stats = await client.getRunStats({ projectNames: [PROJECT], runType: "llm" });
    expect([stats.run_count > 0, stats.error_rate], [true, 0]);
  },
  "groups of runs": async () => {
    await judged();
    const groups = await all(client.listGroupRuns({ projectName: PROJECT, groupBy: "conversation" }));
    expect(groups.map((group) => group.group_key), ["thread 1"]);
  },
  "`listThreads`, `readThread`": async () => {
    need("listThreads", "readThread");
    await judged();
    const threads = await client.listThreads({ projectName: PROJECT });
    expect(threads.map((thread) => thread.thread_id), ["thread 1"]);
    const turns = await all(client.readThread({ threadId: "thread 1", projectName: PROJECT }));
    expect([...new Set(turns.map((run) => run.name))], ["agent"]);
  },
  "share links": async () => {
    const run = await judged();
    await client.shareRun(run.id);
    const link = await client.readRunSharedLink(run.id);
    const token = link.split("/public/")[1].split("/")[0];
    expect((await (await fetch(`${process.env.LANGSMITH_ENDPOINT}/public/${token}/run`)).json()).name, "agent");
    await client.unshareRun(run.id);
    expect((await client.readRunSharedLink(run.id)) ?? null, null);
  },
  "`listSharedRuns`": async () => {
    const run = await judged();
    const token = (await client.shareRun(run.id)).split("/public/")[1].split("/")[0];
    const names = (await client.listSharedRuns(token)).map((one) => one.name).sort();
    expect(names, ["agent", "look up", "model"]);
  },
  "datasets and examples": async () => {
    const name = `${PROJECT} set`;
    const made = await client.createDataset(name, { description: "d" });
    await client.createExamples({
      inputs: [{ q: 1 }, { q: 2 }],
      outputs: [{ a: 1 }, { a: 2 }],
      splits: ["train", "test"],
      datasetId: made.id,
    });
    const listed = await all(client.listExamples({ datasetId: made.id, splits: ["test"] }));
    expect(listed.map((one) => one.inputs), [{ q: 2 }]);
    await client.updateExample(listed[0].id, { outputs: { a: 3 }, dataset_id: made.id });
    expect((await client.readExample(listed[0].id)).outputs, { a: 3 });
    expect((await client.listDatasetSplits({ datasetId: made.id })).sort(), ["test", "train"]);
    await client.deleteExample(listed[0].id);
    expect((await client.readDataset({ datasetName: name })).example_count, 1);
    await client.deleteDataset({ datasetId: made.id });
    expect(await client.hasDataset({ datasetName: name }), false);
  },
  "`evaluate()` and its experiment": async () => {
    const name = `${PROJECT} evaluated`;
    const made = await client.createDataset(name);
    await client.createExamples({
      inputs: [{ q: 1 }, { q: 2 }],
      outputs: [{ a: 2 }, { a: 5 }],
      datasetId: made.id,
    });
    const right = async ({ outputs, referenceOutputs }) => ({
      key: "right",
      score: outputs.a === referenceOutputs.a ? 1 : 0,
    });
    const results = await evaluate(async ({ q }) => ({ a: q * 2 }), { data: name, evaluators: [right], client });
    await flush();
    const experiment = results.experimentName;
    const runs = await all(client.listRuns({ projectName: experiment, isRoot: true }));
    expect(runs.length, 2);
    const project = await client.readProject({ projectName: experiment, includeStats: true });
    expect([project.feedback_stats.right.n, project.feedback_stats.right.avg], [2, 0.5]);
  },
  "generated v2 client": async () => {
    if (!client.runs?.queryV2) throw new Absent("runs.queryV2");
    const trace = await agent("second");
    await flush();
    const project = (await client.readProject({ projectName: PROJECT })).id;
    const query = { project_ids: [project], filter: 'search("second")', selects: ["ID", "NAME", "TRACE_ID"] };
    const found = await all(client.runs.queryV2(query));
    expect(found.some((run) => run.trace_id === trace), true);
    expect((await all(client.threads.query({ project_id: project }))).length > 0, true);
  },
  "mistakes are told": async () => {
    const complaint = await all(client.listRuns({ projectName: PROJECT, filter: 'eq(nmae, "x")' })).catch(String);
    expect(String(complaint).includes("nmae"), true);
  },
  "annotation queues": async () => {
    const queue = await client.createAnnotationQueue({ name: `${PROJECT} queue` });
    await client.deleteAnnotationQueue(queue.id);
  },
  prompts: async () => {
    expect((await all(client.listPrompts())).length, 0);
  },
};

const verdicts = {};
for (const [title, feature] of Object.entries(features)) {
  try {
    await feature();
    verdicts[title] = { outcome: "passed", said: null };
  } catch (error) {
    const outcome = error instanceof Absent ? "absent" : "failed";
    verdicts[title] = { outcome, said: outcome === "absent" ? error.message : String(error.stack ?? error) };
  }
}
writeSync(1, JSON.stringify(verdicts));
process.exit(0);
