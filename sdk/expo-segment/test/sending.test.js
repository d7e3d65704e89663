import assert from 'node:assert/strict';
import { test } from 'node:test';

import { backoff, judge, retryAfter } from '../src/http.js';
import { dueIn } from '../src/sender.js';
import { LIMITS } from '../src/settings.js';
import { NOW, client, codesOf, eventsOf, live, until, withCollector } from '../support/collector.js';

const messages = (segment) => segment.reports.map((report) => report.message);

test('what is due', () => {
  const table = [
    [0, 100, null, 100, null],
    [1, 100, null, 100, 30000],
    [1, 100, null, 29100, 1000],
    [1, 100, null, 99100, 0],
    [19, 100, null, 100, 30000],
    [20, 100, null, 100, 0],
    [1000, 100, 7100, 100, 7000], // a pause holds however many wait
    [1, 100, 90, 100, 0],
  ];
  for (const [waiting, since, retryAt, now, due] of table) assert.equal(dueIn(waiting, since, retryAt, now, LIMITS), due);
});

test('Retry-After', () => {
  const table = [
    [null, undefined],
    ['7', 7000],
    [' 7 ', 7000],
    ['0', 0],
    ['9999', 300000],
    ['-1', undefined],
    ['1.5', undefined],
    ['soon', undefined],
    ['', undefined],
    ['Fri, 02 Jan 2026 03:04:15 GMT', 9322],
    ['Fri, 02 Jan 2026 03:00:00 GMT', 0],
    ['Fri, 02 Jan 2099 03:00:00 GMT', 300000],
  ];
  for (const [header, wait] of table) assert.equal(retryAfter(header, NOW), wait, header);
});

test('pauses double up to five minutes and chance decides below', () => {
  const longest = [1, 2, 3, 5, 9, 10, 10000].map((failures) => backoff(failures, 1));
  assert.deepEqual(longest, [1000, 2000, 4000, 16000, 256000, 300000, 300000]);
  assert.equal(backoff(3, 0.25), 1000);
});

test('what an answer means', () => {
  const table = [
    [200, null, '{}', { end: 'sent' }],
    [301, null, '<html>', { end: 'again', reason: 'the collector returned 301 (a redirect: use its target as the endpoint)', wait: undefined }],
    [400, null, 'Bad\n  Request', { end: 'dropped', reason: 'the collector returned 400 (Bad Request)' }],
    [400, null, 'the-key dGhlLWtleTo=', { end: 'dropped', reason: 'the collector returned 400 (*** ***)' }],
    [401, '5', '', { end: 'dropped', reason: 'the collector returned 401' }],
    [408, null, '', { end: 'again', reason: 'the collector returned 408', wait: undefined }],
    [429, '5', '', { end: 'again', reason: 'the collector returned 429', wait: 5000 }],
    [503, null, '', { end: 'again', reason: 'the collector returned 503', wait: undefined }],
  ];
  for (const [status, after, text, verdict] of table) {
    assert.deepEqual(judge({ status, retryAfter: after, text }, NOW, 'the-key'), verdict);
  }
});

test('batches hold at most 100 events and 475,000 bytes', () =>
  withCollector(async (stub) => {
    const segment = client(stub);
    segment.initializeIOS('ios-key');
    for (let count = 0; count < 230; count += 1) segment.track('small');
    for (let count = 0; count < 20; count += 1) segment.trackWithProperties('large', { text: 'ž'.repeat(15500) });
    assert.equal((await segment.flush()).sent, 250);
    assert.deepEqual(stub.requests.map((request) => request.body.batch.length).slice(0, 2), [100, 100]);
    assert.ok(Math.max(...stub.requests.map((request) => request.size)) <= 475000);
    assert.equal(eventsOf(stub).length, 250);
  }));

test('a failure keeps the events and waits longer each time', () =>
  withCollector(async (stub) => {
    stub.replies.push({ status: 503, text: 'busy' }, { status: 500, text: '' }, { status: 302, headers: { Location: '/x' }, text: '' });
    const segment = client(stub);
    segment.initializeIOS('ios-key');
    segment.track('A');
    assert.deepEqual(await segment.flush(), { sent: 0, dropped: 0, waiting: 1, reason: 'the collector returned 503 (busy)' });
    segment.track('B');
    await segment.flush();
    await segment.flush();
    assert.deepEqual(await segment.flush(), { sent: 2, dropped: 0, waiting: 0, reason: '' });
    assert.deepEqual(messages(segment), [
      '1 event was kept: the collector returned 503 (busy). The next attempt is in 0.5 s.',
      '2 events were kept: the collector returned 500. The next attempt is in 1.0 s.',
      '2 events were kept: the collector returned 302 (a redirect: use its target as the endpoint). The next attempt is in 2.0 s.',
    ]);
    const ids = eventsOf(stub).map((event) => event.messageId);
    assert.deepEqual(ids, ['id-2', 'id-2', 'id-3', 'id-2', 'id-3', 'id-2', 'id-3']);
  }));

test('a redirect that was followed is no arrival', async () => {
  const followed = [
    { redirected: true },
    { url: 'https://collector.example.com/v1/batch' },
    { url: 'http://collector.example.com/login' },
  ];
  for (const signs of followed) {
    const fetch = async () => ({ status: 200, text: async () => '<html>', ...signs });
    const segment = client({ endpoint: 'http://collector.example.com' }, { fetch });
    segment.initializeIOS('ios-key');
    segment.track('A');
    assert.equal((await segment.flush()).waiting, 1);
  }
  const fetch = async () => ({ status: 200, text: async () => '', url: 'HTTP://collector.example.com:80/v1/batch' });
  const segment = client({ endpoint: 'http://Collector.example.com' }, { fetch });
  segment.initializeIOS('ios-key');
  segment.track('A');
  assert.equal((await segment.flush()).sent, 1);
});

test('Retry-After is honoured even by flush', () =>
  withCollector(async (stub) => {
    stub.replies.push({ status: 429, headers: { 'Retry-After': '60' }, text: '' });
    const clock = { now: NOW };
    const segment = client(stub, { clock });
    segment.initializeIOS('ios-key');
    segment.track('A');
    await segment.flush();
    clock.now += 59000;
    assert.equal((await segment.flush()).reason, 'the collector asked to wait; 1.0 s are left');
    assert.equal(stub.requests.length, 1);
    clock.now += 1000;
    assert.equal((await segment.flush()).sent, 1);
  }));

test('another 4xx drops the batch with a report', () =>
  withCollector(async (stub) => {
    stub.replies.push({ status: 400, text: 'Exceed payload limit' });
    const segment = client(stub);
    segment.initializeIOS('ios-key');
    segment.track('A');
    assert.deepEqual(await segment.flush(), { sent: 0, dropped: 1, waiting: 0, reason: '' });
    assert.deepEqual(messages(segment), [
      '1 event was dropped: the collector returned 400 (Exceed payload limit). Check the endpoint and the write key.',
    ]);
  }));

test('a collector that hangs is given up after the time out', () =>
  withCollector(async (stub) => {
    let giveUp;
    stub.replies.push({ hang: () => giveUp() });
    const patience = (task, wait) => {
      if (wait === 15000) giveUp = task;
      return null;
    };
    const segment = client(stub, { setTimeout: patience });
    segment.initializeIOS('ios-key');
    segment.track('A');
    assert.equal((await segment.flush()).reason, 'the collector could not be reached (no response within 15 s)');
    assert.equal((await segment.flush()).sent, 1);
  }));

test('the write key is nowhere to be seen', async () => {
  const key = 'sEcReTkEy0123456789';
  const items = new Map();
  const storage = {
    getItem: async (name) => items.get(name) ?? null,
    setItem: async (name, text) => void items.set(name, text),
    removeItem: async (name) => void items.delete(name),
  };
  const fetch = async (_, request) => {
    throw new Error(`refused: ${JSON.stringify(request.headers)} ${key}`);
  };
  const segment = client({ endpoint: 'http://127.0.0.1:1' }, { storage, fetch });
  segment.initializeIOS(key);
  segment.track('A');
  const seen = JSON.stringify([await segment.flush(), segment.reports, segment, [...items]]);
  assert.ok(seen.includes('refused'));
  assert.ok(items.size > 1);
  assert.ok(!seen.includes(key) && !seen.includes('c0VjUmVUa0V5'));
});

test('twenty events are sent at once', () =>
  withCollector(async (stub) => {
    const segment = live(stub);
    segment.initializeIOS('ios-key');
    for (let count = 0; count < 20; count += 1) segment.track('A');
    await until(() => eventsOf(stub).length === 20, 'the batch');
    await segment.close();
    assert.deepEqual(segment.reports, []);
  }));

test('fewer are sent when the first has waited long enough', () =>
  withCollector(async (stub) => {
    const segment = live(stub, { limits: { flushEvery: 30 } });
    segment.initializeIOS('ios-key');
    segment.track('A');
    await until(() => stub.requests.length === 1, 'the first');
    segment.track('B');
    await until(() => stub.requests.length === 2, 'the second');
    await segment.close();
  }));

test('a failed batch is tried again by itself', () =>
  withCollector(async (stub) => {
    stub.replies.push({ status: 503 }, { status: 429, headers: { 'Retry-After': '0' } });
    const segment = live(stub, { limits: { flushAt: 1 } });
    segment.initializeIOS('ios-key');
    segment.track('A');
    await until(() => stub.requests.length === 3, 'the third attempt');
    await segment.close();
    assert.deepEqual(codesOf(segment), [['sending-failed', 'flush'], ['sending-failed', 'flush']]);
  }));

test('an app that leaves the screen sends what waits', () =>
  withCollector(async (stub) => {
    const listeners = new Set();
    const AppState = {
      addEventListener: (_, listener) => {
        listeners.add(listener);
        return { remove: () => listeners.delete(listener) };
      },
    };
    const segment = live(stub, { AppState });
    segment.initializeIOS('ios-key');
    segment.track('A');
    listeners.forEach((listener) => listener('active'));
    listeners.forEach((listener) => listener('background'));
    await until(() => stub.requests.length === 1, 'the batch');
    await segment.close();
    assert.equal(listeners.size, 0);
    assert.equal(await segment.close(), await segment.close());
  }));

test('flushes at the same time send no event twice', () =>
  withCollector(async (stub) => {
    const segment = client(stub);
    segment.initializeIOS('ios-key');
    segment.track('A');
    const results = await Promise.all([segment.flush(), segment.flush(), segment.flush()]);
    assert.deepEqual(results.map((result) => result.sent), [1, 0, 0]);
  }));
