// Events that wait, in memory and in the app's storage; one queue a write key.
//
// Each event is an item of its own: AsyncStorage on Android refuses entries beyond 2 MB, and an item is
// one write a call. Items are numbered without gaps from `head`, so nothing else need be written down
// when an event is added; what is removed is announced in `head` first and deleted after, so that an app
// killed in between deletes the rest when it starts again.

import { isObject } from './event.js';
import { byteLength, parsed } from './text.js';

const DROPPED = 'dropped'; // stands where an event was that had to make room

export class Queue {
  constructor(storage, name, limit, report) {
    this._storage = storage;
    this._name = name;
    this._limit = limit;
    this._report = report;
    this._head = 0;
    this._tail = 0;
    this._events = []; // { order, number, body }, oldest first; `number` is null if storage refused it
    this._order = 0;
    this._travelling = new Set();
    this._line = Promise.resolve();
  }

  get length() {
    return this._events.length;
  }

  /** The order of the newest event; those of a later order were added after. */
  get last() {
    return this._order;
  }

  async load() {
    await this._try('read', async () => {
      const [swept, head] = this._numbers(await this._storage.getItem(`${this._name}.head`));
      for (let number = swept; number < head; number += 1) await this._delete(number);
      this._head = head;
      this._tail = head;
      for (;;) {
        const body = await this._storage.getItem(this._item(this._tail));
        if (typeof body !== 'string') return;
        if (body !== DROPPED) this._found(body);
        this._tail += 1;
      }
    });
  }

  _found(body) {
    if (isObject(parsed(body))) this._push(this._tail, body);
    else this._damaged(`The event kept as ${this._item(this._tail)} cannot be read; it was left out.`);
  }

  _numbers(text) {
    if (text === null || text === undefined) return [0, 0];
    const [swept, head] = parsed(text) ?? [];
    if (Number.isSafeInteger(swept) && Number.isSafeInteger(head) && swept <= head) return [swept, head];
    this._damaged(`What was kept as ${this._name}.head cannot be read; a new queue was begun.`);
    return [0, 0];
  }

  _damaged(say) {
    this._report('storage-damaged', 'storage', say);
  }

  /** Adds an event; gives the bodies of the oldest ones that had to make room. */
  async add(body) {
    const event = this._push(null, body);
    await this._try('written', async () => {
      await this._storage.setItem(this._item(this._tail), body);
      event.number = this._tail;
      this._tail += 1;
    });
    // what is on its way must not be reported as dropped: it may have arrived
    const over = Math.max(0, this.length - this._limit);
    const old = this._events.filter((one) => !this._travelling.has(one)).slice(0, over);
    if (old.length) await this.remove(old);
    return old.map((one) => one.body);
  }

  /** Takes the next batch up to the order `last`; it stays queued until removed. */
  next(limits, last) {
    const batch = [];
    let size = 100; // what is around the events
    for (const event of this._events.slice(0, limits.batchEvents)) {
      size += byteLength(event.body) + 1;
      if (event.order > last || (size > limits.batchBytes && batch.length)) break;
      batch.push(event);
    }
    this._travelling = new Set(batch);
    return batch;
  }

  putBack() {
    this._travelling.clear();
  }

  async remove(gone) {
    const left = new Set(gone);
    this._events = this._events.filter((event) => !left.has(event));
    gone.forEach((event) => this._travelling.delete(event));
    await this._try('removed', () => this._forget(gone));
  }

  async _forget(gone) {
    const swept = this._head;
    const stored = this._events.find((event) => event.number !== null);
    this._head = stored === undefined ? this._tail : stored.number;
    if (this._head > swept) {
      await this._storage.setItem(`${this._name}.head`, JSON.stringify([swept, this._head]));
      for (let number = swept; number < this._head; number += 1) await this._delete(number);
    }
    const holes = gone.filter((event) => event.number !== null && event.number >= this._head);
    for (const event of holes) await this._storage.setItem(this._item(event.number), DROPPED);
  }

  _push(number, body) {
    this._order += 1;
    const event = { order: this._order, number, body };
    this._events.push(event);
    return event;
  }

  _delete(number) {
    return this._storage.removeItem(this._item(number));
  }

  _item(number) {
    return `${this._name}.${number}`;
  }

  /** Does one thing to the storage after the other: events are added while others, sent, are removed. */
  _try(what, task) {
    this._line = this._line.then(task).catch((problem) => {
      const say = `The queue could not be ${what} in the storage (${problem?.message ?? problem}); it goes on in memory.`;
      this._report('storage-failed', 'storage', say);
    });
    return this._line;
  }
}
