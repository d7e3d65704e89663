// The browser of the tests, by its path: Chromium, or what else is built from it. `node chromium.mjs` prints it, or
// says how to get one. A name on PATH proves little (Ubuntu's chromium-browser asks for a snap), so each is run.

import { spawnSync } from 'node:child_process';
import { delimiter, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAC = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome';
const NAMES = process.env.CHROMIUM
  ? [process.env.CHROMIUM]
  : ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', MAC];

const places = (name) => process.env.PATH.split(delimiter).map((folder) => resolve(folder, name));

const runs = (path) => spawnSync(path, ['--version'], { timeout: 20_000 }).status === 0;

const HELP = `The tests of the collector need Chromium or Chrome on PATH; none of these runs: ${NAMES.join(', ')}.
  Debian: apt-get install chromium    macOS: brew install --cask google-chrome
  Ubuntu has it as a snap only; where snaps do not run, install Google's package of Chrome.
  One that is not on PATH: make test CHROMIUM=/path/to/chromium`;

/** Gives the first that runs; throws what to do where none does. */
export function chromium() {
  const found = NAMES.flatMap(places).find(runs);
  if (found === undefined) throw new Error(HELP);
  return found;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    console.log(chromium());
  } catch ({ message }) {
    console.error(message);
    process.exitCode = 1;
  }
}
