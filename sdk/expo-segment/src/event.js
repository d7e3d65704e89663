// What the calls become: pure functions from arguments to Segment events.
//
// Whatever the app hands over is copied into plain JSON at once, so a later change of the app's objects
// changes nothing, and what has no JSON is left out and reported rather than thrown.

import { kind, wellFormed } from './text.js';

const DEPTH = 64; // the collector's engine refuses events nested deeper than 100
const VALUES = 32000; // an event of 32,000 bytes cannot hold more

/** What `clean` throws at an object with more values than an event can hold. */
export class TooLarge extends Error {}

export const moment = (milliseconds) => new Date(milliseconds).toISOString();

export const identify = (traits) => ({ type: 'identify', traits });

export const track = (event, properties) => ({ type: 'track', event, properties });

/** The identity after an identify; another user starts without the traits of the one before. */
export function identified(identity, userId, traits) {
  const known = userId === identity.userId ? identity.traits : {};
  return { anonymousId: identity.anonymousId, userId, traits: { ...known, ...traits } };
}

/** Adds what every event of the mobile libraries has. */
export function complete(own, identity, context, messageId, timestamp) {
  const user = identity.userId === null ? {} : { userId: identity.userId };
  return {
    ...own,
    anonymousId: identity.anonymousId,
    ...user,
    context: { ...context, device: deviceOf(identity, context.device), traits: identity.traits },
    integrations: {},
    channel: 'mobile',
    messageId,
    timestamp,
  };
}

const deviceOf = (identity, device) => (isObject(device) ? { id: identity.anonymousId, ...device } : device);

const tagOf = (value) => Object.prototype.toString.call(value).slice(8, -1);

/** Objects as JSON has them: no arrays, dates or maps. */
export const isObject = (value) => tagOf(value) === 'Object';

/** Copies an object of the app into JSON; what has none is left out and reported under its path. */
export function clean(value, place, report) {
  const walk = { report, left: VALUES };
  return copy(value, place, [], walk);
}

function copy(value, place, parents, walk) {
  const kept = [];
  for (const [name, member] of Object.entries(value)) {
    const found = valueOf(member, `${place}.${name}`, [...parents, value], walk);
    if (found !== undefined) kept.push([wellFormed(name), found]);
  }
  return Object.fromEntries(kept); // unlike an assignment it keeps a member called __proto__ a member
}

function valueOf(value, place, parents, walk) {
  walk.left -= 1;
  if (walk.left < 0) throw new TooLarge();
  if (typeof value === 'string') return wellFormed(value);
  if (value === null || value === undefined || typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : leaveOut(place, 'is not a finite number', walk);
  if (typeof value !== 'object') return leaveOut(place, `has no JSON form (${typeof value})`, walk);
  return holder(value, place, parents, walk);
}

function holder(value, place, parents, walk) {
  if (parents.includes(value)) return leaveOut(place, 'contains itself', walk);
  if (parents.length >= DEPTH) return leaveOut(place, `is nested deeper than ${DEPTH}`, walk);
  const tag = tagOf(value);
  if (tag === 'Date' && Number.isNaN(value.getTime())) return leaveOut(place, 'is no date', walk);
  if (typeof value.toJSON === 'function') return valueOf(value.toJSON(), place, [...parents, value], walk);
  if (Array.isArray(value)) return list(value, place, [...parents, value], walk);
  if (tag !== 'Object') return leaveOut(place, `has no JSON form (${tag})`, walk);
  return copy(value, place, parents, walk);
}

// an entry without JSON becomes null, so that the others keep their places
const list = (values, place, parents, walk) =>
  Array.from(values, (value, index) => valueOf(value, `${place}[${index}]`, parents, walk) ?? null);

function leaveOut(place, what, walk) {
  walk.report('not-json', place, `${place} ${what}; it was left out. Use text, numbers or true/false.`);
  return undefined;
}

/** The members of `context` that the client alone fills. */
const OURS = ['library', 'traits'];

/** Puts what is known of the device together with what the app says of it. */
export function contextOf(known, given, library) {
  const context = { ...known };
  for (const [name, member] of Object.entries(given)) {
    context[name] = isObject(known[name]) && isObject(member) ? { ...known[name], ...member } : member;
  }
  return { ...context, library };
}

/** Copies what the app says of its device, an object or a function that gives one. */
export function givenContext(given, report) {
  try {
    const said = typeof given === 'function' ? given() : given;
    if (isObject(said)) return checked(said, report);
    report('not-an-object', 'context', `The context is not an object (${kind(said)}); it was left out.`);
  } catch (problem) {
    const vast = problem instanceof TooLarge;
    const why = vast ? 'holds more than an event can' : `could not be had (${problem?.name ?? typeof problem})`;
    report(vast ? 'event-too-large' : 'context-failed', 'context', `The context ${why}; it was left out.`);
  }
  return {};
}

function checked(said, report) {
  const names = Object.keys(said).filter((name) => OURS.includes(name));
  names.forEach((name) =>
    report('context-reserved', `context.${name}`, `context.${name} is set by the client; the given value was left out.`),
  );
  const rest = Object.entries(said).filter(([name]) => !OURS.includes(name));
  return clean(Object.fromEntries(rest), 'context', report);
}
