import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { test } from 'node:test';

import * as exported from '../index.js';
import { deviceContext } from '../src/device.js';
import { base64, byteLength, fingerprint, utf8, uuid, wellFormed } from '../src/text.js';
import { LIMITS } from '../src/settings.js';
import { VERSION } from '../src/version.js';

const read = (name) => readFile(new URL(`../${name}`, import.meta.url), 'utf8');
const types = await read('index.d.ts');
const members = (name) =>
  [...types.match(new RegExp(`interface ${name} \\{\\n([^]*?)\\n\\}`))[1].matchAll(/^ {2}(?:readonly )?(\w+)[?(:]/gm)].map(
    ([, member]) => member,
  );

test('the types name exactly what is exported', () => {
  const declared = [...types.matchAll(/^export declare (?:const|function) (\w+)/gm)].map(([, name]) => name);
  assert.deepEqual(declared.sort(), Object.keys(exported).sort());
  assert.deepEqual(members('SegmentModule').sort(), Object.keys(exported.Segment).sort());
  assert.deepEqual(members('Limits'), Object.keys(LIMITS));
});

test('the types name exactly the options that are read', async () => {
  const sources = await Promise.all(['src/settings.js', 'src/segment.js'].map(read));
  const used = new Set(sources.flatMap((source) => [...source.matchAll(/\b(?:given|options\??)\.(\w+)/g)].map(([, name]) => name)));
  assert.deepEqual(members('Options').sort(), [...used].sort());
});

test('the seven calls of the document are there', () => {
  const calls = ['initializeIOS', 'initializeAndroid', 'identify', 'identifyWithTraits', 'track', 'trackWithProperties', 'flush'];
  for (const call of calls) assert.equal(typeof exported.Segment[call], 'function', call);
});

test('the package depends on nothing and ships what it needs', async () => {
  const manifest = JSON.parse(await read('package.json'));
  for (const kind of ['dependencies', 'peerDependencies', 'optionalDependencies', 'devDependencies']) {
    assert.equal(manifest[kind], undefined, kind);
  }
  assert.equal(manifest.version, VERSION);
  assert.deepEqual(manifest.files, ['index.js', 'index.d.ts', 'src', 'README.md']);
  for (const name of ['index.js', ...(await readdir(new URL('../src', import.meta.url))).map((file) => `src/${file}`)]) {
    for (const [, from] of (await read(name)).matchAll(/from '([^']+)'/g)) assert.match(from, /^\.\.?\//, `${name}: ${from}`);
  }
});

test('the device is described in the words of the mobile libraries', () => {
  const Dimensions = { get: () => ({ width: 360, height: 640, scale: 3 }) };
  const locale = Intl.DateTimeFormat().resolvedOptions();
  const here = { locale: locale.locale, timezone: locale.timeZone };
  const iPhone = { OS: 'ios', Version: '17.4', constants: { systemName: 'iOS', osVersion: '17.4' } };
  assert.deepEqual(deviceContext('ios', iPhone, Dimensions), {
    device: { manufacturer: 'Apple', type: 'ios' },
    os: { name: 'iOS', version: '17.4' },
    screen: { width: 360, height: 640 },
    ...here,
  });
  assert.deepEqual(deviceContext('ios', { OS: 'ios', Version: '9.3' }), {
    device: { manufacturer: 'Apple', type: 'ios' },
    os: { name: 'iOS', version: '9.3' },
    ...here,
  });
  const pixel = { OS: 'android', Version: 34, constants: { Manufacturer: 'Google', Model: 'Pixel 8', Release: '14' } };
  assert.deepEqual(deviceContext('android', pixel, Dimensions), {
    device: { manufacturer: 'Google', model: 'Pixel 8', type: 'android' },
    os: { name: 'Android', version: '14' },
    screen: { width: 1080, height: 1920, density: 3 },
    ...here,
  });
});

test('text as bytes, as node itself has it', () => {
  for (const text of ['', 'a', 'ab', 'abc', 'abcd', 'ž', '€', '😀', 'key:', '\u0000\u007f\u0080\u07ff\u0800\uffff\u{10ffff}']) {
    assert.deepEqual(utf8(text), [...Buffer.from(text)]);
    assert.equal(byteLength(text), Buffer.byteLength(text), text);
    assert.equal(base64(text), Buffer.from(text).toString('base64'));
  }
  for (const text of ['\ud83d', '\ude00\ud83d', 'a\ud83db', '\ud83d\ude00', '\ude00']) {
    assert.equal(wellFormed(text), text.toWellFormed());
  }
});

test('fingerprints differ and tell nothing, ids are version 4 UUIDs', () => {
  const prints = new Set(Array.from({ length: 1000 }, (_, index) => fingerprint(`key-${index}`)));
  assert.equal(prints.size, 1000);
  for (const print of prints) assert.match(print, /^[0-9a-f]{16}$/);
  for (let count = 0; count < 100; count += 1) {
    assert.match(uuid(Math.random), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  }
});
