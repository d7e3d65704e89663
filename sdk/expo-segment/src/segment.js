// Expo's seven calls, and around them `configure`, `close` and `reports`.
//
// No call throws and none is silent: what is not done as asked is in `reports` and on the console, and
// the app goes on. The functions need no `this`, as those of the native module did not.

import { Client } from './client.js';
import { TooLarge, clean, identify, isObject, track } from './event.js';
import { settle } from './settings.js';
import { kind, wellFormed } from './text.js';

const INITIALISE = { ios: 'initializeIOS', android: 'initializeAndroid' };
const KEPT = 1000;
const QUIET = ['other-platform']; // reported at every normal start of an app
const NOTHING = { sent: 0, dropped: 0, waiting: 0, reason: 'not done; see reports' };

export function createSegment() {
  const face = new Face();
  return {
    configure: (options) => face.guarded('configure', () => face.configure(options)),
    initializeIOS: (writeKey) => face.guarded('initializeIOS', () => face.initialise('ios', writeKey)),
    initializeAndroid: (writeKey) => face.guarded('initializeAndroid', () => face.initialise('android', writeKey)),
    identify: (userId) => face.guarded('identify', () => face.identify('identify', userId)),
    identifyWithTraits: (userId, traits) =>
      face.guarded('identifyWithTraits', () => face.identify('identifyWithTraits', userId, traits)),
    track: (event) => face.guarded('track', () => face.track('track', event)),
    trackWithProperties: (event, properties) =>
      face.guarded('trackWithProperties', () => face.track('trackWithProperties', event, properties)),
    flush: () => face.flush(),
    close: () => face.close(),
    get reports() {
      return [...face.reports];
    },
  };
}

const toConsole = ({ code, message }) => console[QUIET.includes(code) ? 'info' : 'warn'](`[Segment] ${message}`);

class Face {
  constructor() {
    this.reports = [];
    this._client = null;
    this._platform = null;
    this._closed = null;
    this._ended = Promise.resolve();
    this._log = toConsole;
    this._report = this._report.bind(this);
  }

  configure(options) {
    if (this._client !== null) this._ended = this._client.stop();
    this._client = null;
    this._closed = null;
    this._log = typeof options?.onReport === 'function' ? options.onReport : toConsole;
    const settings = settle(options, this._report);
    if (settings === null) return;
    this._platform = settings.platform;
    this._client = new Client(settings, this._report, this._ended);
  }

  initialise(platform, key) {
    const call = INITIALISE[platform];
    if (!this._configured(call)) return;
    if (platform !== this._platform) {
      const say = `${call} does nothing on ${this._platform}; ${INITIALISE[this._platform]} is used.`;
      this._report('other-platform', call, say);
    } else if (this._isText(key, call, 'write key', 'nothing was initialized')) {
      this._client.initialise(call, key);
    }
  }

  identify(call, userId, traits) {
    if (!this._ready(call) || !this._isText(userId, call, 'user id', 'the call was dropped')) return;
    const said = this._object(call, 'traits', traits);
    this._client.identify(call, wellFormed(userId), said && identify(said));
  }

  track(call, event, properties) {
    if (!this._ready(call) || !this._isText(event, call, "event's name", 'the event was dropped')) return;
    const said = this._object(call, 'properties', properties);
    if (said !== null) this._client.track(call, track(wellFormed(event), said));
  }

  async flush() {
    return this._ready('flush') ? this._client.flush() : NOTHING;
  }

  /** Closing twice is closing once. */
  close() {
    this._closed ??= this._client === null ? Promise.resolve(NOTHING) : this._client.close();
    return this._closed;
  }

  guarded(call, task) {
    try {
      task();
    } catch (problem) {
      this._failed(call, problem);
    }
  }

  _failed(call, problem) {
    // the error's text may quote the app's values, which may be personal data
    this._report('failed', call, `${call} failed (${problem?.name ?? typeof problem}); please report this.`);
  }

  _configured(call) {
    if (this._closed !== null) this._report('closed', call, `${call} after close does nothing.`);
    else if (this._client === null) {
      const say = `${call} before Segment.configure({ endpoint }) does nothing. Call that first.`;
      this._report('not-configured', call, say);
    }
    return this._closed === null && this._client !== null;
  }

  _ready(call) {
    if (!this._configured(call)) return false;
    if (!this._client.initialised) {
      const say = `${call} before ${INITIALISE[this._platform]} does nothing. Call that first, with a write key.`;
      this._report('not-initialised', call, say);
    }
    return this._client.initialised;
  }

  _isText(value, call, what, end) {
    if (typeof value === 'string' && value.trim()) return true;
    const wrong = typeof value === 'string' ? 'is blank' : `is not text (${kind(value)})`;
    this._report('not-text', call, `The ${what} given to ${call} ${wrong}; ${end}.`);
    return false;
  }

  /** Copies traits or properties; null if no event could hold them. */
  _object(call, name, value) {
    if (value === undefined || value === null) return {};
    if (!isObject(value)) {
      const say = `The ${name} given to ${call} are not an object (${kind(value)}); the event went without them.`;
      this._report('not-an-object', call, say);
      return {};
    }
    try {
      return clean(value, name, this._report);
    } catch (problem) {
      if (!(problem instanceof TooLarge)) throw problem;
      this._client.tooLarge(call);
      return null;
    }
  }

  _report(code, place, message) {
    this.reports.push({ code, place, message });
    if (this.reports.length > KEPT) this.reports.shift();
    try {
      this._log({ code, place, message });
    } catch {
      // an app's own reporter must not stop the app's own call
    }
  }
}
