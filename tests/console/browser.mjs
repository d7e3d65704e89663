// What the browser tests of the console share: `story(async ({ open, given, axe, check }) => ...)` in a file of its own.
// A story fails for a condition that does not hold, an error in the page, what the policy of the page refuses, a
// request to another host, and what axe finds. `open` gives a page in a new browser profile, `given` what the test gave.
// With CONSOLE_SHOTS=FOLDER in the environment, `shot(page, name)` keeps a screenshot to look at.

import { readFileSync } from 'node:fs';

import { launch } from '../collector/clients_js/chromium.mjs';

const AXE = readFileSync(new URL('../collector/clients_js/node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
// What the network says of an answer such as 403, and htmx of a stream that broke: the story checks those itself.
const OF_THE_NETWORK = ['Failed to load resource', '[object Event]'];

export function failed(...words) {
  console.error(...words);
  process.exitCode = 1;
}

export function check(holds, ...words) {
  if (!holds) failed('does not hold:', ...words);
}

/** Runs axe in a page, without the page's policy being any weaker: it comes through the browser's driver. */
export async function axe(page, where) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run({ resultTypes: ['violations'] }));
  for (const { id, impact, nodes } of violations) {
    failed(`axe, ${where}: ${id} (${impact})`, nodes.map((node) => `${node.target} ${node.failureSummary}`).join('\n'));
  }
}

export async function shot(page, name) {
  if (process.env.CONSOLE_SHOTS) {
    await page.screenshot({ path: `${process.env.CONSOLE_SHOTS}/${name}.png`, fullPage: true });
  }
}

function watch(context) {
  context.on('console', (message) => {
    const network = OF_THE_NETWORK.some((words) => message.text().startsWith(words));
    if (['error', 'warning'].includes(message.type()) && !network) failed('console:', message.text());
  });
  context.on('weberror', (problem) => failed('in the page:', problem.error()));
  context.on('request', (request) => {
    if (new URL(request.url()).hostname !== '127.0.0.1') failed('the page left this machine:', request.url());
  });
}

export async function story(tell) {
  const given = JSON.parse(process.argv[2]);
  const browser = await launch();
  const open = async (address, { width = 1280, height = 900, dark = false } = {}) => {
    const colorScheme = dark ? 'dark' : 'light';
    const context = await browser.newContext({ viewport: { width, height }, colorScheme, reducedMotion: 'reduce', baseURL: given.url });
    context.setDefaultTimeout(10_000);
    watch(context);
    const page = await context.newPage();
    if (address) await page.goto(address);
    return page;
  };
  const signIn = async (options) => {
    const page = await open('/login', options);
    await page.fill('#token', given.token);
    await page.click('button.primary');
    await page.waitForURL((url) => url.pathname !== '/login');
    return page;
  };
  try {
    await tell({ open, signIn, given, browser });
  } catch (problem) {
    failed(problem.stack);
  } finally {
    await browser.close();
  }
}

