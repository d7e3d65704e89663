// For the tests: a collector on loopback, a storage like AsyncStorage, and a client whose time stands still.

import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

import { createSegment } from '../index.js';
import { memory } from '../src/settings.js';

export const NOW = 1767323045678; // 2026-01-02T03:04:05.678Z

/** Runs `task` with a collector; `replies` are given in order, then 200 for ever; `hang` is called in place of a response. */
export async function withCollector(task) {
  const stub = { requests: [], replies: [] };
  const server = createServer((request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const body = JSON.parse(Buffer.concat(chunks).toString('utf8'));
      const size = Buffer.concat(chunks).length;
      stub.requests.push({ method: request.method, path: request.url, headers: request.headers, size, body });
      const { status = 200, headers = {}, text = '{"success":true}', hang } = stub.replies.shift() ?? {};
      if (hang) hang();
      else response.writeHead(status, headers).end(text);
    });
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  stub.endpoint = `http://127.0.0.1:${server.address().port}`;
  try {
    return await task(stub);
  } finally {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  }
}

export const eventsOf = (stub) => stub.requests.flatMap((request) => request.body.batch);

export const codesOf = (segment) => segment.reports.map(({ code, place }) => [code, place]);

/** A module configured with still seams: ids are numbered, time goes on through `clock.now`, timers never fire. */
export function client(stub, options = {}) {
  const { clock = { now: NOW }, ...rest } = options;
  let count = 0;
  const segment = createSegment();
  segment.configure({
    endpoint: stub.endpoint,
    platform: 'ios',
    storage: memory(),
    onReport: () => undefined,
    now: () => clock.now,
    monotonic: () => clock.now,
    random: () => 0.5,
    newId: () => `id-${(count += 1)}`,
    setTimeout: () => null,
    clearTimeout: () => undefined,
    ...rest,
  });
  return segment;
}

/** As `client`, with real timers. */
export const live = (stub, options = {}) =>
  client(stub, { monotonic: undefined, setTimeout: undefined, clearTimeout: undefined, random: () => 0.01, ...options });

export async function until(condition, what) {
  for (let turn = 0; turn < 1000; turn += 1) {
    if (condition()) return;
    await sleep(5);
  }
  throw new Error(`waited in vain: ${what}`);
}
