import assert from 'node:assert/strict';
import { test } from 'node:test';

import { client, codesOf, eventsOf, withCollector } from '../support/collector.js';

const offline = async () => {
  throw new TypeError('Network request failed');
};

/** AsyncStorage's shape over a Map; `failing` names the method that is refused. */
function storageOver(items, failing = { name: '' }) {
  const method = (name, task) => async (...given) => {
    if (failing.name === name) throw new Error('the disk is full');
    return task(...given);
  };
  return {
    getItem: method('getItem', (name) => items.get(name) ?? null),
    setItem: method('setItem', (name, text) => void items.set(name, text)),
    removeItem: method('removeItem', (name) => void items.delete(name)),
  };
}

const names = (stub) => eventsOf(stub).map((event) => event.event ?? event.type);

test('queue and identity outlive the app', () =>
  withCollector(async (stub) => {
    const items = new Map();
    const first = client(stub, { storage: storageOver(items), fetch: offline });
    first.initializeIOS('ios-key');
    first.identifyWithTraits('u1', { plan: 'gold' });
    first.track('A');
    assert.deepEqual(await first.flush(), {
      sent: 0,
      dropped: 0,
      waiting: 2,
      reason: 'the collector could not be reached (Network request failed)',
    });
    const second = client(stub, { storage: storageOver(items), newId: () => 'new' });
    second.initializeIOS('ios-key');
    second.track('B');
    assert.equal((await second.flush()).sent, 3);
    assert.deepEqual(names(stub), ['identify', 'A', 'B']);
    const last = eventsOf(stub)[2];
    assert.deepEqual([last.userId, last.anonymousId, last.context.traits], ['u1', 'id-1', { plan: 'gold' }]);
    assert.deepEqual([...items.keys()].filter((name) => /\.\d+$/.test(name)), []);
  }));

test('an app killed at any moment loses nothing it had stored and sends nothing broken', () =>
  withCollector(async (stub) => {
    // the storage as it stood after each of its writes
    const stages = [];
    const items = new Map();
    const storage = storageOver(items);
    const watched = { ...storage };
    for (const name of ['setItem', 'removeItem']) {
      watched[name] = async (...given) => {
        await storage[name](...given);
        stages.push(new Map(items));
      };
    }
    const app = client(stub, { storage: watched, limits: { batchEvents: 2, queueEvents: 4 } });
    app.initializeIOS('ios-key');
    for (const event of ['A', 'B', 'C', 'D', 'E']) app.track(event);
    await app.flush();
    assert.equal(names(stub).join(''), 'BCDE');
    const found = [];
    for (const stage of stages) {
      stub.requests.length = 0;
      const next = client(stub, { storage: storageOver(stage) });
      next.initializeIOS('ios-key');
      await next.flush();
      assert.deepEqual(next.reports, []);
      assert.deepEqual([...stage.keys()].filter((name) => /\.\d+$/.test(name)), []);
      found.push(names(stub).join(''));
    }
    assert.deepEqual([...new Set(found)], ['', 'A', 'AB', 'ABC', 'ABCD', 'ABCDE', 'BCDE', 'DE']);
  }));

test('an event that made room while its elders were on their way stays gone', () =>
  withCollector(async (stub) => {
    const items = new Map();
    let refuse;
    const fetch = () => new Promise((_, reject) => (refuse = reject));
    const app = client(stub, { storage: storageOver(items), fetch, limits: { batchEvents: 1, queueEvents: 2 } });
    app.initializeIOS('ios-key');
    app.track('A');
    app.track('B');
    const flushed = app.flush();
    while (!refuse) await new Promise(setImmediate);
    app.track('C'); // A is on its way, so B makes room
    for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate);
    refuse(new Error('offline'));
    await flushed;
    assert.deepEqual(codesOf(app), [['queue-full', 'track'], ['sending-failed', 'flush']]);
    const next = client(stub, { storage: storageOver(items) });
    next.initializeIOS('ios-key');
    await next.flush();
    assert.deepEqual(names(stub), ['A', 'C']);
    assert.deepEqual(next.reports, []);
  }));

test('each write key has a queue of its own', () =>
  withCollector(async (stub) => {
    const items = new Map();
    const first = client(stub, { storage: storageOver(items), fetch: offline });
    first.initializeIOS('first');
    first.track('A');
    await first.flush();
    const second = client(stub, { storage: storageOver(items) });
    second.initializeIOS('second');
    second.track('B');
    assert.equal((await second.flush()).sent, 1);
    second.initializeIOS('first');
    second.initializeIOS('second');
    second.track('C');
    assert.equal((await second.flush()).sent, 2);
    const sent = stub.requests.map((one) => [atob(one.headers.authorization.slice(6)), one.body.batch[0].event]);
    assert.deepEqual(sent, [['second:', 'B'], ['second:', 'C'], ['first:', 'A']]);
  }));

test('a storage that refuses costs no event while the app lives, and each refusal is reported', () =>
  withCollector(async (stub) => {
    for (const name of ['getItem', 'setItem', 'removeItem']) {
      stub.requests.length = 0;
      const segment = client(stub, { storage: storageOver(new Map(), { name }) });
      segment.initializeIOS('ios-key');
      segment.identify('u1');
      segment.track('A');
      await segment.flush();
      assert.deepEqual(names(stub), ['identify', 'A'], name);
      assert.deepEqual([...new Set(codesOf(segment).map(([code]) => code))], ['storage-failed'], name);
      assert.match(segment.reports[0].message, /the disk is full/);
    }
  }));

test('damaged items are left out and reported', () =>
  withCollector(async (stub) => {
    const items = new Map();
    const first = client(stub, { storage: storageOver(items), fetch: offline });
    first.initializeIOS('ios-key');
    first.track('A');
    first.track('B');
    await first.flush();
    const [name] = [...items.keys()].filter((one) => one.endsWith('.0'));
    items.set(name, '{"half":');
    items.set(name.replace(/\.0$/, '.head'), 'x');
    items.set('waybill.expo-segment.identity', '{');
    const second = client(stub, { storage: storageOver(items) });
    second.initializeIOS('ios-key');
    await second.flush();
    assert.deepEqual(names(stub), ['B']);
    assert.deepEqual(second.reports.map((report) => report.message), [
      'The identity kept in the storage cannot be read; a new one was begun.',
      `What was kept as ${name.replace(/\.0$/, '.head')} cannot be read; a new queue was begun.`,
      `The event kept as ${name} cannot be read; it was left out.`,
    ]);
  }));

test('configuring again goes on with the same queue', () =>
  withCollector(async (stub) => {
    const items = new Map();
    const segment = client(stub, { storage: storageOver(items), fetch: offline });
    segment.initializeIOS('ios-key');
    segment.identify('u1');
    segment.track('A');
    segment.configure({ endpoint: stub.endpoint, platform: 'ios', storage: storageOver(items) });
    segment.initializeIOS('ios-key');
    segment.track('B');
    assert.equal((await segment.flush()).sent, 3);
    assert.deepEqual(eventsOf(stub).map((event) => event.userId), ['u1', 'u1', 'u1']);
    await segment.close();
  }));
