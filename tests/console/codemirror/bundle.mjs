// Writes CodeMirror as one file. From the root of the repository, with the packages of the lock file:
//
//   .venv/bin/python -m tests.node npm --prefix tests/console/codemirror ci
//   .venv/bin/python -m tests.node tests/console/codemirror/bundle.mjs engine/console/static/vendored/codemirror.js
//
// The same versions make the same bytes; tests/console/test_codemirror.py compares them.

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const packages = Object.keys(JSON.parse(readFileSync(here('package-lock.json'), 'utf8')).packages)
  .filter((path) => path.startsWith('node_modules/') && !path.includes('esbuild'))
  .map((path) => [path.slice('node_modules/'.length), JSON.parse(readFileSync(here(`${path}/package.json`), 'utf8'))]);
// All have the MIT license, each with its own holders.
const licenses = packages.map(([name]) => readFileSync(here(`node_modules/${name}/LICENSE`), 'utf8'));
const holders = [...new Set(licenses.map((text) => text.match(/Copyright .*/)[0]))].sort().join('\n');
const terms = licenses[0].slice(licenses[0].indexOf('Permission is hereby granted')).trim();
const listed = packages.map(([name, { version }]) => `${name} ${version}`).join('\n');

await build({
  entryPoints: [here('entry.mjs')],
  outfile: process.argv[2],
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  legalComments: 'inline',
  banner: { js: `/*!\nCodeMirror 6, made by tests/console/codemirror/bundle.mjs from\n${listed}\n\nMIT License\n\n${holders}\n\n${terms}\n*/` },
});
writeFileSync(process.argv[2], `${readFileSync(process.argv[2], 'utf8').trimEnd()}\n`);
