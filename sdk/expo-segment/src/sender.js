// When the client sends, and what it does about a failure: at 20 events, 30 seconds after the first, when
// the app leaves the screen, or when asked. `flush` does not wait out the client's own pause (a person
// asked), but it does wait out a Retry-After (the collector asked).

import { backoff, send } from './http.js';

export class Sender {
  constructor(settings, report) {
    this._settings = settings;
    this._report = report;
    this.sources = []; // { key, queue }
    this._sending = Promise.resolve();
    this._busy = 0;
    this._failures = 0;
    this._since = null; // when the first of the waiting events was seen
    this._retryAt = null;
    this._askedUntil = null;
    this._timer = null;
    this._stopped = false;
  }

  get waiting() {
    return this.sources.reduce((sum, source) => sum + source.queue.length, 0);
  }

  /** Says that something may be due: an event was added, a queue read, a batch settled. */
  schedule() {
    if (this._busy || this._stopped) return;
    const { limits, monotonic, setTimeout, clearTimeout } = this._settings;
    if (this._timer !== null) clearTimeout(this._timer);
    this._timer = null;
    const now = monotonic();
    if (this.waiting) this._since ??= now;
    const pause = dueIn(this.waiting, this._since, this._retryAt, now, limits);
    if (pause === null) return;
    this._timer = setTimeout(() => this.flush(), pause);
    this._timer?.unref?.(); // under node a sleeping queue must not keep the program alive
  }

  /** Resolves when no batch is on its way. */
  get idle() {
    return this._sending;
  }

  stop() {
    this._stopped = true;
    if (this._timer !== null) this._settings.clearTimeout(this._timer);
  }

  /** Sends what is queued now; one at a time, so that no event is on its way twice. Never rejects. */
  flush() {
    this._busy += 1;
    this._sending = this._sending.then(async () => {
      try {
        return await this._sendAll();
      } catch (problem) {
        const reason = `flush failed (${problem?.name ?? typeof problem}); please report this.`;
        this._report('failed', 'flush', reason);
        return { sent: 0, dropped: 0, waiting: this.waiting, reason };
      } finally {
        this._busy -= 1;
        this.schedule();
      }
    });
    return this._sending;
  }

  async _sendAll() {
    const result = { sent: 0, dropped: 0, waiting: 0, reason: this._askedToWait() };
    for (const source of this.sources) await this._sendSource(source, source.queue.last, result);
    this._since = null;
    return { ...result, waiting: this.waiting };
  }

  async _sendSource(source, last, result) {
    while (!result.reason) {
      const batch = source.queue.next(this._settings.limits, last);
      if (!batch.length) return;
      const verdict = await send(this._settings, source.key, batch.map((event) => event.body));
      await this._settle(source.queue, batch, verdict);
      if (verdict.end === 'again') result.reason = verdict.reason;
      else result[verdict.end] += batch.length;
    }
  }

  _askedToWait() {
    const left = this._askedUntil === null ? 0 : this._askedUntil - this._settings.monotonic();
    return left > 0 ? `the collector asked to wait; ${(left / 1000).toFixed(1)} s are left` : '';
  }

  async _settle(queue, batch, verdict) {
    if (verdict.end === 'again') {
      queue.putBack();
      this._postpone(batch.length, verdict);
      return;
    }
    await queue.remove(batch);
    this._failures = 0;
    this._retryAt = null;
    this._askedUntil = null;
    if (verdict.end === 'dropped') {
      const say = `${events(batch.length)} dropped: ${verdict.reason}. Check the endpoint and the write key.`;
      this._report('batch-dropped', 'flush', say);
    }
  }

  _postpone(count, verdict) {
    this._failures += 1;
    // a `Retry-After: 0` must not become a loop without a pause
    const pause = verdict.wait || backoff(this._failures, this._settings.random());
    this._retryAt = this._settings.monotonic() + pause;
    this._askedUntil = verdict.wait ? this._retryAt : null;
    const say = `${events(count)} kept: ${verdict.reason}. The next attempt is in ${(pause / 1000).toFixed(1)} s.`;
    this._report('sending-failed', 'flush', say);
  }
}

/** Says in how many milliseconds something is to be sent; null if nothing waits. */
export function dueIn(waiting, since, retryAt, now, limits) {
  if (!waiting || since === null) return null;
  if (retryAt !== null) return Math.max(0, retryAt - now);
  if (waiting >= limits.flushAt) return 0;
  return Math.max(0, since + limits.flushEvery - now);
}

const events = (count) => (count === 1 ? '1 event was' : `${count} events were`);
