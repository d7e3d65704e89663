// What each call becomes on the wire: calls.json, which the Python client is held to as well.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import { createSegment } from '../index.js';
import { VERSION } from '../src/version.js';
import { client, codesOf, eventsOf, withCollector } from '../support/collector.js';

const cases = JSON.parse(await readFile(new URL('calls.json', import.meta.url), 'utf8'));

for (const one of cases) {
  test(one.name, () =>
    withCollector(async (stub) => {
      const { platform, context, limits } = one;
      const segment = client(stub, { platform, context, limits });
      for (const [call, ...given] of one.calls) segment[call](...given);
      await segment.close();
      assert.deepEqual(eventsOf(stub).map((event) => shown(event, one.show)), one.events);
      assert.deepEqual(codesOf(segment), one.reports);
    }),
  );
}

function shown(event, names) {
  assert.deepEqual(event.context.library, { name: 'waybill-expo-segment', version: VERSION });
  const { context, ...rest } = event;
  const told = { ...context, library: '<library>' };
  if (names === undefined) return { ...rest, context: told };
  const flat = { ...rest, ...Object.fromEntries(Object.entries(told).map(([name, member]) => [`context.${name}`, member])) };
  return Object.fromEntries(names.filter((name) => name in flat).map((name) => [name, flat[name]]));
}

test('the request is that of the mobile libraries', () =>
  withCollector(async (stub) => {
    const segment = client(stub, { endpoint: `${stub.endpoint}/segment/` });
    segment.initializeIOS('ios-key');
    segment.track('A');
    assert.deepEqual(await segment.flush(), { sent: 1, dropped: 0, waiting: 0, reason: '' });
    const [{ method, path, headers, body }] = stub.requests;
    assert.deepEqual([method, path], ['POST', '/segment/v1/batch']);
    assert.equal(headers.authorization, 'Basic aW9zLWtleTo=');
    assert.equal(headers['content-type'], 'application/json');
    assert.deepEqual({ ...body, batch: body.batch.length }, { batch: 1, sentAt: '2026-01-02T03:04:05.678Z' });
  }));

test('every call works without its object, as those of the native module did', () =>
  withCollector(async (stub) => {
    const { initializeIOS, identify, track, flush } = client(stub);
    initializeIOS('ios-key');
    identify('u1');
    track('A');
    assert.equal((await flush()).sent, 2);
  }));

test('values of JavaScript that have a JSON form are kept, the others reported', () =>
  withCollector(async (stub) => {
    const segment = client(stub);
    const cycle = { a: 1 };
    cycle.self = [cycle];
    const given = {
      date: new Date(0),
      bad: new Date('never'),
      absent: undefined,
      list: [undefined, 1, Symbol('x')],
      nan: NaN,
      call: () => 1,
      big: 10n,
      map: new Map([['a', 1]]),
      own: { toJSON: () => ({ a: [new Date(0)] }) },
      bare: Object.assign(Object.create(null), { a: 1 }),
      cycle,
    };
    segment.initializeIOS('ios-key');
    segment.trackWithProperties('A', given);
    segment.trackWithProperties('B', new Map());
    given.date = 'changed after the call';
    await segment.flush();
    assert.deepEqual(eventsOf(stub)[0].properties, {
      date: '1970-01-01T00:00:00.000Z',
      list: [null, 1, null],
      own: { a: ['1970-01-01T00:00:00.000Z'] },
      bare: { a: 1 },
      cycle: { a: 1, self: [null] },
    });
    const end = '; it was left out. Use text, numbers or true/false.';
    assert.deepEqual(segment.reports.map((report) => report.message), [
      `properties.bad is no date${end}`,
      `properties.list[2] has no JSON form (symbol)${end}`,
      `properties.nan is not a finite number${end}`,
      `properties.call has no JSON form (function)${end}`,
      `properties.big has no JSON form (bigint)${end}`,
      `properties.map has no JSON form (Map)${end}`,
      `properties.cycle.self[0] contains itself${end}`,
      'The properties given to trackWithProperties are not an object (object); the event went without them.',
    ]);
  }));

test('a function is asked for the context of every event', () =>
  withCollector(async (stub) => {
    const said = [() => ({ network: { wifi: true } }), () => null, () => JSON.parse('{')];
    const segment = client(stub, { context: () => said.shift()() });
    segment.initializeIOS('ios-key');
    for (let count = 0; count < 3; count += 1) segment.track('A');
    await segment.flush();
    assert.deepEqual(eventsOf(stub).map((event) => event.context.network), [{ wifi: true }, undefined, undefined]);
    assert.deepEqual(segment.reports.map((report) => report.message), [
      'The context is not an object (null); it was left out.',
      'The context could not be had (SyntaxError); it was left out.',
    ]);
  }));

test('a vast object ends, and so does one that throws', () =>
  withCollector(async (stub) => {
    const segment = client(stub);
    let shared = [1];
    for (let depth = 0; depth < 60; depth += 1) shared = [shared, shared];
    const trap = {
      get email() {
        throw new TypeError('somebody@example.com');
      },
    };
    segment.initializeIOS('ios-key');
    segment.trackWithProperties('A', { shared });
    segment.identifyWithTraits('u1', { shared });
    segment.trackWithProperties('B', trap);
    segment.track('C');
    await segment.flush();
    assert.deepEqual(eventsOf(stub).map((event) => [event.event, event.userId]), [['C', 'u1']]);
    assert.deepEqual(segment.reports.map((report) => report.message), [
      'The event of trackWithProperties takes more than 32000 bytes; it was dropped. Send less data.',
      'The event of identifyWithTraits takes more than 32000 bytes; it was dropped. Send less data.',
      'trackWithProperties failed (TypeError); please report this.',
    ]);
  }));

test('reports say what is wrong and what to do', () =>
  withCollector(async (stub) => {
    const bare = createSegment();
    bare.configure({ endpoint: 'collector.example.com', platform: 'web', onReport: () => undefined });
    bare.track('A');
    const segment = client(stub, { limits: { queueEvents: 1 }, storage: undefined });
    segment.track('A');
    segment.initializeAndroid('android-key');
    segment.initializeIOS('');
    segment.initializeIOS('ios-key');
    segment.identify(7);
    segment.track('A');
    segment.trackWithProperties('B', []);
    await segment.close();
    segment.track('C');
    assert.deepEqual([...bare.reports, ...segment.reports].map((report) => report.message), [
      'The endpoint is not the address of a collector; nothing is recorded. Use an http or https address without user, query or fragment, as in https://collector.example.com.',
      "Unknown platform web; nothing is recorded. Use platform: 'ios' or 'android', or React Native's Platform.",
      'track before Segment.configure({ endpoint }) does nothing. Call that first.',
      'No storage was given; events and identity are kept in memory and lost when the app ends. Use storage: AsyncStorage.',
      'track before initializeIOS does nothing. Call that first, with a write key.',
      'initializeAndroid does nothing on ios; initializeIOS is used.',
      'The write key given to initializeIOS is blank; nothing was initialized.',
      'The user id given to identify is not text (number); the call was dropped.',
      'The properties given to trackWithProperties are not an object (array); the event went without them.',
      'The queue holds 1 events; the oldest, track A of 2026-01-02T03:04:05.678Z, was dropped to make room.',
      'track after close does nothing.',
    ]);
  }));

test('reports go to the console unless the app takes them, and an app that throws there goes on', () =>
  withCollector(async (stub) => {
    const said = [];
    const { info, warn } = console;
    Object.assign(console, { info: (text) => said.push(`info ${text}`), warn: (text) => said.push(`warn ${text}`) });
    try {
      const segment = client(stub, { onReport: undefined });
      segment.initializeAndroid('android-key');
      segment.track('A');
    } finally {
      Object.assign(console, { info, warn });
    }
    assert.deepEqual(said, [
      'info [Segment] initializeAndroid does nothing on ios; initializeIOS is used.',
      'warn [Segment] track before initializeIOS does nothing. Call that first, with a write key.',
    ]);
    const throwing = client(stub, {
      onReport: () => {
        throw new Error('the app');
      },
    });
    for (let count = 0; count < 1010; count += 1) throwing.track('A');
    assert.equal(throwing.reports.length, 1000);
  }));

test('no call throws, whatever it is given', async () => {
  const bare = createSegment();
  for (const options of [undefined, null, 7, 'x', [], {}, { endpoint: 'http://127.0.0.1:1', platform: 'ios', storage: 3 }]) {
    bare.configure(options && typeof options === 'object' ? { onReport: () => undefined, ...options } : options);
    for (const call of ['initializeAndroid', 'identify', 'identifyWithTraits', 'track', 'trackWithProperties']) {
      for (const given of [undefined, null, 7, {}, [], 'x', Symbol('x')]) bare[call](given, given);
    }
    assert.equal((await bare.flush()).reason, 'not done; see reports');
  }
});
