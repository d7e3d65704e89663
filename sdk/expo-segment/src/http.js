// One POST to the collector, and what its response means: arrived, try again and when, or never.

import { base64 } from './text.js';

export const PATH = '/v1/batch';
export const TIMEOUT = 15000;

const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 300000;
const SHOWN = 200; // characters of a response in a report
const MOVED = 'a redirect: use its target as the endpoint';
const TRY_AGAIN = [408, 429]; // of the 4xx; 408 says itself that the request may be repeated

/** Sends events, already JSON; gives a verdict: `sent`, `dropped` or `again`, with the reason and the pause asked for. */
export async function send(settings, key, bodies) {
  const sentAt = new Date(settings.now()).toISOString();
  const request = {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Basic ${base64(`${key}:`)}` },
    body: `{"batch":[${bodies.join(',')}],"sentAt":"${sentAt}"}`,
    redirect: 'manual', // a POST that becomes a GET and gets a 200 is a lost event
  };
  try {
    return judge(await answered(settings, request), settings.now(), key);
  } catch (problem) {
    const why = hidden(String(problem?.cause?.message ?? problem?.message ?? problem), key);
    return { end: 'again', reason: `the collector could not be reached (${why})` };
  }
}

async function answered(settings, request) {
  const stop = typeof AbortController === 'function' ? new AbortController() : undefined;
  let timer;
  const tooLate = new Promise((_, refuse) => {
    timer = settings.setTimeout(() => {
      refuse(new Error(`no response within ${TIMEOUT / 1000} s`));
      stop?.abort();
    }, TIMEOUT);
  });
  try {
    return await Promise.race([ask(settings, { ...request, signal: stop?.signal }), tooLate]);
  } finally {
    settings.clearTimeout(timer);
  }
}

async function ask(settings, request) {
  const response = await settings.fetch(settings.url, request);
  if (moved(response, settings.url)) return { status: 302, retryAfter: null, text: '' };
  return {
    status: response.status,
    retryAfter: response.headers?.get?.('retry-after') ?? null,
    text: await response.text(),
  };
}

/** React Native always follows redirects; only the URL of the response shows it. */
function moved(response, asked) {
  if (response.redirected || response.type === 'opaqueredirect') return true;
  const scheme = (url) => url.split(':', 1)[0].toLowerCase();
  return Boolean(response.url) && (scheme(response.url) !== scheme(asked) || !response.url.endsWith(PATH));
}

/** `now` is the time a date in Retry-After is read against. */
export function judge(answer, now, key) {
  const { status } = answer;
  if (status >= 200 && status < 300) return { end: 'sent' };
  const text = status >= 300 && status < 400 ? MOVED : answer.text;
  const shown = hidden(text.trim().split(/\s+/).join(' '), key).slice(0, SHOWN);
  const reason = `the collector returned ${status}${shown ? ` (${shown})` : ''}`;
  if (status >= 400 && status < 500 && !TRY_AGAIN.includes(status)) return { end: 'dropped', reason };
  return { end: 'again', reason, wait: retryAfter(answer.retryAfter, now) };
}

/** Masks the write key, plain and encoded: a response may quote the request. */
const hidden = (text, key) => text.split(key).join('***').split(base64(`${key}:`)).join('***');

/** Milliseconds of a Retry-After in seconds or as a date, at most five minutes; undefined if it cannot be read. */
export function retryAfter(header, now) {
  const text = (header ?? '').trim();
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1000, LONGEST_PAUSE);
  const moment = /[a-z]/i.test(text) ? Date.parse(text) : NaN;
  return Number.isNaN(moment) ? undefined : Math.min(Math.max(moment - now, 0), LONGEST_PAUSE);
}

/** The pause after failures: a random part of 1 s, 2 s, 4 s ... 300 s. */
export const backoff = (failures, chance) => chance * Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(failures - 1, 16));
