// The browser of the tests. `node chromium.mjs` chooses it: one that is installed, otherwise the one of the npm package
// @sparticuz/chromium. A name on PATH proves little (Ubuntu's chromium-browser asks for a snap), so each is started
// the way the tests start it, and the first that opens a page is noted for them.

import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdtempSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliDecompressSync } from 'node:zlib';

import { chromium as driver } from 'playwright-core';

const MODULES = fileURLToPath(new URL('node_modules/', import.meta.url));
const CHOSEN = join(MODULES, 'chosen-browser');
const UNPACKED = join(MODULES, 'unpacked-browser');
const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'microsoft-edge'];
const MAC_NAMES = ['Google Chrome', 'Chromium', 'Microsoft Edge'];
const HERE = `${process.platform} ${process.arch}`;
const IN_PACKAGE = 'linux x64';

// What the browser itself would like to ask its maker finds no host.
const FLAGS = [
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
  ...['gpu', 'quic', 'background-networking', 'component-update', 'sync'].map((name) => `--disable-${name}`),
  '--no-first-run',
];

// The package brings the libraries that a bare system lacks; they are for its browser only.
const START = '#!/bin/sh\nLD_LIBRARY_PATH="${0%/*}/lib" exec "${0%/*}/chromium" "$@"\n';

/** Starts the chosen browser, or another one. */
export const launch = (path = readFileSync(CHOSEN, 'utf8')) =>
  driver.launch({ executablePath: path, args: FLAGS, timeout: 20_000 });

function installed() {
  const names = NAMES.flatMap((name) => process.env.PATH.split(delimiter).map((folder) => resolve(folder, name)));
  return [...names, ...MAC_NAMES.map((name) => `/Applications/${name}.app/Contents/MacOS/${name}`)];
}

function executable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Unpacks the package's browser beside it, once: its own way is a folder in /tmp that all users would share. */
function unpacked() {
  const start = join(UNPACKED, 'start');
  if (existsSync(start)) return start;
  const packed = (name) => brotliDecompressSync(readFileSync(join(MODULES, '@sparticuz/chromium/bin', name)));
  const folder = mkdtempSync(`${UNPACKED}-`);
  execFileSync('tar', ['-x', '-C', folder], { input: packed('al2023.tar.br') });
  writeFileSync(join(folder, 'chromium'), packed('chromium.br'), { mode: 0o755 });
  writeFileSync(join(folder, 'start'), START, { mode: 0o755 });
  // Whole or not at all, also when this was interrupted.
  renameSync(folder, UNPACKED);
  return start;
}

function* candidates() {
  if (process.env.WAYBILL_CHROMIUM) return yield process.env.WAYBILL_CHROMIUM;
  yield* installed().filter(executable);
  if (HERE === IN_PACKAGE) yield unpacked();
}

async function opensPages(path) {
  const browser = await launch(path);
  try {
    await browser.newPage();
  } finally {
    await browser.close();
  }
}

/** Returns the first that opens a page; throws what to do where none does. */
async function choose() {
  const tried = [];
  for (const path of candidates()) {
    try {
      await opensPages(path);
      return path;
    } catch ({ message }) {
      tried.push(`\n  ${path}: ${message.split('\n')[0]}`);
    }
  }
  throw new Error(`The tests need Chromium, Chrome or Edge, and none starts here.${tried.join('')}
  macOS: brew install --cask google-chrome    Debian: apt-get install chromium
  Linux on x86_64 needs none installed (npm has one for it); this is ${HERE}.
  One that is elsewhere: make test WAYBILL_CHROMIUM=/path/to/chromium`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    const path = await choose();
    writeFileSync(CHOSEN, path);
    console.log(path);
  } catch ({ message }) {
    console.error(message);
    process.exitCode = 1;
  }
}
