// Opens `browser.html` in headless Chromium and lets it tell the story. `node browser.mjs '{"strategy": "single"}'`
// What the page prints and which of its requests fail goes to stderr, for the test to show.

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { launch } from './chromium.mjs';
import { KEY, calls, story } from './story.mjs';

const LIBRARY = new URL('node_modules/@segment/analytics-next/dist/umd/', import.meta.url);
// The same in every browser and on every system, for what the vendors then hold.
const AGENT = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/153.0.0.0 Safari/537.36';
const strategy = JSON.parse(process.argv[2]);

/** How many events the collector has kept; what a page sends while it is left is answered to nobody. */
async function kept() {
  const metrics = await (await fetch(`${story.admin}/metrics`, { headers: { authorization: `Bearer ${KEY}` } })).text();
  return Number(/^waybill_collector_kept_total (.*)$/m.exec(metrics)[1]);
}

function failed(...words) {
  console.error(...words);
  process.exitCode = 1;
}

/** Serves the page, the library beside it, and nothing else. */
const site = createServer(async ({ url }, response) => {
  const { pathname } = new URL(url, 'http://127.0.0.1');
  const types = { '/browser.html': 'text/html', '/favicon.ico': 'image/x-icon' };
  try {
    const file = pathname.startsWith('/library/') && new URL(basename(pathname), LIBRARY);
    const body = pathname === '/favicon.ico' ? '' : await readFile(file || new URL('browser.html', import.meta.url));
    response.writeHead(200, { 'content-type': types[pathname] ?? 'text/javascript' }).end(body);
  } catch (problem) {
    failed('the page asked for', url, problem.message);
    response.writeHead(404).end();
  }
});

function watch(context) {
  context.on('console', (message) => console.error('console:', message.text()));
  context.on('weberror', (problem) => failed('in the page:', problem.error()));
  context.on('request', (request) => {
    if (new URL(request.url()).hostname !== '127.0.0.1') failed('the page left this machine:', request.url());
  });
  context.on('requestfailed', (request) => {
    if (!left) failed('failed:', request.url(), request.failure().errorText);
  });
  context.on('response', async (response) => {
    if (response.status() !== 200) failed(response.status(), response.url(), await response.text());
  });
}

/** Waits until the collector has kept so many events of this page. */
async function arrived(count) {
  const end = Date.now() + 15_000;
  while ((await kept()) - before < count && Date.now() < end) await sleep(50);
  const found = (await kept()) - before;
  if (found !== count) throw new Error(`${found} events were kept, not ${count}`);
}

const before = await kept();
// Those that fill no batch wait in the page until it is left.
const waiting = calls.length % (strategy.config?.size ?? 1);
let left = false;
await new Promise((ready) => site.listen(0, '127.0.0.1', ready));
const browser = await launch();
const alarm = setTimeout(() => {
  failed('the page took more than 40 seconds');
  browser.close();
}, 40_000);
try {
  const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'Europe/Prague', userAgent: AGENT });
  watch(context);
  const page = await context.newPage();
  await page.goto(`http://127.0.0.1:${site.address().port}/browser.html?utm_source=letter&utm_campaign=spring`);
  await page.evaluate((given) => tell(...given), [story, KEY, strategy]);
  await arrived(calls.length - waiting);
  left = true;
  await page.goto(`http://127.0.0.1:${site.address().port}/favicon.ico`);
  await arrived(calls.length);
} finally {
  clearTimeout(alarm);
  await browser.close();
  site.closeAllConnections();
  site.close();
}
