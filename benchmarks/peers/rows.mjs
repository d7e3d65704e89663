// The rows that run in Node.js; the same commands as benchmarks/rows.py.
//
//   node rows.mjs ROW       then lines on standard input: `pass FILE`, or `write FILE OUTPUT`
//
// Bytes in, bytes out: decoding the bytes and encoding the text are inside of what is timed, as in a server.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const MOST_ITEMS = 50;

const one = (transform) => (raw) => {
  const body = transform(JSON.parse(raw));
  return body === null ? [] : [JSON.stringify(body)];
};

function batch(transform) {
  return (raw) => {
    const items = [];
    for (const event of JSON.parse(raw).batch) {
      const data = transform(event);
      if (data !== null) items.push({ name: 'event_type' in data ? 'customers/events' : 'customers', data });
    }
    const bodies = [];
    for (let start = 0; start < items.length; start += MOST_ITEMS) bodies.push(JSON.stringify({ commands: items.slice(start, start + MOST_ITEMS) }));
    return bodies;
  };
}

async function workflow() {
  const { WorkflowEngineFactory, TemplateType } = require('@rudderstack/workflow-engine');
  const rootPath = fileURLToPath(new URL('.', import.meta.url));
  const options = { rootPath, templateType: TemplateType.JSON_TEMPLATE };
  const engine = await WorkflowEngineFactory.createFromFilePath(`${rootPath}workflow.yaml`, options);
  return async (raw) => {
    const { output } = await engine.execute(JSON.parse(raw));
    return output === undefined ? [] : [JSON.stringify(output)];
  };
}

const ROWS = {
  'node-json': () => (raw) => [JSON.stringify(JSON.parse(raw))],
  'node-hand': async () => one((await import('./hand.mjs')).transform),
  'mapping-kit': () => one(require('./mapping_kit.cjs').transform),
  'mapping-kit-batch': () => batch(require('./mapping_kit.cjs').transform),
  'workflow-engine': workflow,
};

const seen = new Map();
function lines(file) {
  if (!seen.has(file)) {
    const text = readFileSync(file, 'utf8').split('\n').slice(0, -1);
    seen.set(file, text.map((line) => Buffer.from(line)));
  }
  return seen.get(file);
}

// Only the workflow engine is asynchronous; the others do not pay for waiting.
async function pass(name, work, inputs) {
  const cpu = process.cpuUsage();
  const began = performance.now();
  let size = 0;
  if (name === 'workflow-engine') {
    for (const raw of inputs) for (const body of await work(raw.toString('utf8'))) size += Buffer.from(body).length;
  } else {
    for (const raw of inputs) for (const body of work(raw.toString('utf8'))) size += Buffer.from(body).length;
  }
  const wall = (performance.now() - began) / 1000;
  const used = process.cpuUsage(cpu);
  return { wall, cpu: (used.user + used.system) / 1e6, size };
}

const name = process.argv[2];
const work = await ROWS[name]();
for await (const line of createInterface({ input: process.stdin })) {
  const [command, file, output] = line.split(' ');
  if (command === 'write') {
    const bodies = [];
    for (const raw of lines(file)) bodies.push(...(await work(raw.toString('utf8'))));
    writeFileSync(output, bodies.map((body) => `${body}\n`).join(''));
    console.log('{}');
  } else {
    console.log(JSON.stringify(await pass(name, work, lines(file))));
  }
}
