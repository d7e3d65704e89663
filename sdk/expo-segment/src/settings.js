// The options of `configure`, checked: what cannot be used is reported, and an app starts all the same.

import { isObject } from './event.js';
import { PATH } from './http.js';
import { kind, uuid } from './text.js';

export const PLATFORMS = ['ios', 'android'];

/** Those of Segment's mobile libraries; times in milliseconds. */
export const LIMITS = {
  flushAt: 20,
  flushEvery: 30000,
  batchEvents: 100,
  batchBytes: 475000,
  eventBytes: 32000,
  queueEvents: 1000,
};

const ADDRESS = /^https?:\/\/[^\s/?#@]+(\/[^\s?#@]*)?$/i;

/** Returns the settings, or null if there is no collector to send to or no platform to speak for. */
export function settle(options, report) {
  const given = isObject(options) ? options : {};
  const url = addressOf(given.endpoint, report);
  const platform = platformOf(given, report);
  if (url === null || platform === null) return null;
  return {
    url,
    platform,
    storage: storageOf(given.storage, report),
    context: given.context ?? {},
    limits: { ...LIMITS, ...given.limits },
    Platform: given.Platform,
    Dimensions: given.Dimensions,
    AppState: given.AppState,
    ...seams(given),
  };
}

function addressOf(endpoint, report) {
  const address = typeof endpoint === 'string' ? endpoint.replace(/\/+$/, '') : '';
  if (ADDRESS.test(address)) return address + PATH;
  const say = 'The endpoint is not the address of a collector; nothing is recorded. Use an http or https address without';
  report('not-configured', 'configure', `${say} user, query or fragment, as in https://collector.example.com.`);
  return null;
}

function platformOf(given, report) {
  const platform = given.platform ?? given.Platform?.OS;
  if (PLATFORMS.includes(platform)) return platform;
  const found = typeof platform === 'string' ? platform : kind(platform);
  const say = `Unknown platform ${found}; nothing is recorded. Use platform: 'ios' or 'android', or React Native's`;
  report('not-configured', 'configure', `${say} Platform.`);
  return null;
}

function storageOf(storage, report) {
  const usable = ['getItem', 'setItem', 'removeItem'].every((name) => typeof storage?.[name] === 'function');
  if (usable) return storage;
  const say = 'No storage was given; events and identity are kept in memory and lost when the app ends.';
  report('not-kept', 'configure', `${say} Use storage: AsyncStorage.`);
  return memory();
}

/** A storage that forgets: the shape of AsyncStorage over a Map. */
export function memory() {
  const items = new Map();
  return {
    getItem: async (name) => items.get(name) ?? null,
    setItem: async (name, text) => void items.set(name, text),
    removeItem: async (name) => void items.delete(name),
  };
}

function seams(given) {
  const random = given.random ?? Math.random;
  return {
    random,
    newId: given.newId ?? (() => globalThis.crypto?.randomUUID?.() ?? uuid(random)),
    now: given.now ?? Date.now,
    monotonic: given.monotonic ?? (() => globalThis.performance?.now?.() ?? Date.now()),
    fetch: given.fetch ?? ((url, request) => globalThis.fetch(url, request)),
    setTimeout: given.setTimeout ?? ((task, wait) => globalThis.setTimeout(task, wait)),
    clearTimeout: given.clearTimeout ?? ((timer) => globalThis.clearTimeout(timer)),
  };
}
