// One app on one device: identity, queue and sender of one `configure`.
//
// Calls are synchronous and storage is not, so whatever must be taken when a call is made (its time, its
// id, a copy of its arguments) is taken at once, and the rest happens in one line of promises, in order.

import { deviceContext } from './device.js';
import { complete, contextOf, givenContext, identified, moment } from './event.js';
import { Queue } from './queue.js';
import { Sender } from './sender.js';
import { byteLength, fingerprint, parsed } from './text.js';
import { VERSION } from './version.js';

const NAME = 'waybill.expo-segment'; // what its items in the app's storage begin with
const LIBRARY = { name: 'waybill-expo-segment', version: VERSION };

export class Client {
  /** `before` is the end of the client that used the same storage until now. */
  constructor(settings, report, before) {
    this._settings = settings;
    this._report = report;
    this._known = deviceContext(settings.platform, settings.Platform, settings.Dimensions);
    this._given = typeof settings.context === 'function' ? null : givenContext(settings.context, report);
    this._sender = new Sender(settings, report);
    this._identity = { anonymousId: settings.newId(), userId: null, traits: {} };
    this._source = null;
    this._work = before;
    this._inOrder('storage', () => this._remember());
  }

  get initialised() {
    return this._source !== null;
  }

  initialise(call, key) {
    if (this._source === null) this._watch();
    const { storage, limits } = this._settings;
    let source = this._sender.sources.find((one) => one.key === key);
    if (source === undefined) {
      const queue = new Queue(storage, `${NAME}.${fingerprint(key)}`, limits.queueEvents, this._report);
      source = { key, queue };
      this._sender.sources.push(source);
      this._inOrder(call, async () => {
        await queue.load();
        this._sender.schedule();
      });
    }
    this._source = source;
  }

  identify(call, userId, own) {
    const record = own === null ? async () => false : this._recorder(call, own);
    this._inOrder(call, async () => {
      const after = identified(this._identity, userId, own === null ? {} : own.traits);
      const kept = await record(after);
      // the event may be lost, the user is not: a later event must not be taken for the one before
      this._identity = kept ? after : identified(this._identity, userId, {});
      await this._keep();
    });
  }

  track(call, own) {
    const record = this._recorder(call, own);
    this._inOrder(call, () => record(this._identity));
  }

  /** Sends what waits, everything called before included. */
  async flush() {
    await this._work;
    return this._sender.flush();
  }

  async close() {
    await this.stop();
    return this._sender.flush();
  }

  /** Ends without sending what waits; resolves when nothing of it touches the storage any more. */
  async stop() {
    this._watching?.remove?.();
    this._sender.stop();
    await this._work;
    await this._sender.idle;
  }

  _recorder(call, own) {
    const { queue } = this._source;
    const { context, newId, now } = this._settings;
    const given = this._given ?? givenContext(context, this._report);
    const device = contextOf(this._known, given, LIBRARY);
    const messageId = newId();
    const timestamp = moment(now());
    return async (identity) => {
      const event = complete(own, identity, device, messageId, timestamp);
      const body = this._fitting(call, event);
      if (body === null) return false;
      for (const old of await queue.add(body)) this._report('queue-full', call, this._madeRoom(old));
      this._sender.schedule();
      return true;
    };
  }

  /** Writes the event; one that is too large goes without the remembered traits, or not at all. */
  _fitting(call, event) {
    const limit = this._settings.limits.eventBytes;
    const body = JSON.stringify(event);
    if (byteLength(body) <= limit) return body;
    const less = JSON.stringify({ ...event, context: { ...event.context, traits: {} } });
    if (byteLength(less) <= limit) {
      const say = `The event of ${call} takes more than ${limit} bytes; it went without context.traits. Keep fewer traits.`;
      this._report('traits-left-out', call, say);
      return less;
    }
    this.tooLarge(call);
    return null;
  }

  tooLarge(call) {
    const limit = this._settings.limits.eventBytes;
    this._report('event-too-large', call, `The event of ${call} takes more than ${limit} bytes; it was dropped. Send less data.`);
  }

  _madeRoom(body) {
    const { type, event, timestamp } = JSON.parse(body);
    const name = event === undefined ? type : `${type} ${event}`;
    const limit = this._settings.limits.queueEvents;
    return `The queue holds ${limit} events; the oldest, ${name} of ${timestamp}, was dropped to make room.`;
  }

  async _remember() {
    const text = await this._try('read', () => this._settings.storage.getItem(`${NAME}.identity`));
    const kept = parsed(text);
    if (typeof kept?.anonymousId === 'string') {
      this._identity = { ...this._identity, ...kept };
      return;
    }
    const damaged = typeof text === 'string';
    if (damaged) this._report('storage-damaged', 'storage', 'The identity kept in the storage cannot be read; a new one was begun.');
    await this._keep();
  }

  _keep() {
    return this._try('written', () => this._settings.storage.setItem(`${NAME}.identity`, JSON.stringify(this._identity)));
  }

  async _try(what, task) {
    try {
      return await task();
    } catch (problem) {
      const say = `The identity could not be ${what} in the storage (${problem?.message ?? problem}); it is kept in memory.`;
      this._report('storage-failed', 'storage', say);
      return null;
    }
  }

  /** An app that leaves the screen may never come back. */
  _watch() {
    this._watching = this._settings.AppState?.addEventListener?.('change', (state) => {
      if (state !== 'active') this.flush();
    });
  }

  _inOrder(call, task) {
    this._work = this._work.then(task).catch((problem) => {
      // the error's text may quote the app's values, which may be personal data
      this._report('failed', call, `${call} failed (${problem?.name ?? typeof problem}); please report this.`);
    });
  }
}
