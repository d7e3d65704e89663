// The playground: two editors, the requests that the server makes of them, and what belongs together.
// All text of mappings and events becomes text of the page, never HTML.

const config = JSON.parse(document.getElementById('config').textContent);
const cm = await import(config.codemirror);
const byId = (id) => document.getElementById(id);
const csrf = document.querySelector('meta[name=csrf-token]').content;
const pageId = crypto.getRandomValues(new Uint32Array(2)).join('-');

const TYPING_PAUSE = 250; // milliseconds
const RETRIES = [1000, 2000, 5000, 10000];
const SIDES = ['mapping', 'event'];

const state = { home: config.chosen.home, settings: {}, chosen: 0, links: [], lit: [], asked: 0, retry: 0, examples: [] };
let timer;
let running;

/** Makes an element; `text` is text. */
function element(name, { text, ...attributes } = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(key, '');
    else if (value !== undefined && value !== null && value !== false) made.setAttribute(key, value);
  }
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

// The editors.

const setLit = cm.StateEffect.define();
const litMark = cm.Decoration.mark({ class: 'lit' });
const litField = cm.StateField.define({
  create: () => cm.Decoration.none,
  update(value, transaction) {
    let found = transaction.docChanged ? cm.Decoration.none : value;
    for (const effect of transaction.effects) {
      if (!effect.is(setLit)) continue;
      const length = transaction.state.doc.length;
      const ranges = effect.value
        .map(([from, to]) => [Math.min(from, length), Math.min(to, length)])
        .filter(([from, to]) => from < to)
        .map(([from, to]) => litMark.range(from, to));
      found = cm.Decoration.set(ranges, true);
    }
    return found;
  },
  provide: (field) => cm.EditorView.decorations.from(field),
});

const { tags } = cm;
const colors = cm.HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: 'var(--accent)' },
  { tag: [tags.string, tags.special(tags.string)], color: 'var(--good)' },
  { tag: [tags.number, tags.bool, tags.null, tags.keyword, tags.atom], color: 'var(--warn)' },
  { tag: tags.comment, color: 'var(--muted)', fontStyle: 'italic' },
  { tag: [tags.separator, tags.punctuation, tags.squareBracket, tags.brace], color: 'var(--muted)' },
]);
const theme = cm.EditorView.theme({
  '&': { color: 'var(--text)', backgroundColor: 'var(--surface)', fontSize: 'var(--size-1)' },
  '&.cm-focused': { outline: 'none' }, // the side that has the focus shows it as a whole
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '1.5', overflow: 'auto' },
  '.cm-content': { caretColor: 'var(--text)' },
  '.cm-cursor': { borderLeftColor: 'var(--text)' },
  '.cm-gutters': { backgroundColor: 'var(--surface)', color: 'var(--muted)', border: 'none' },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'transparent' },
  '&.cm-focused .cm-activeLine': { backgroundColor: 'color-mix(in srgb, var(--sunken) 60%, transparent)' },
  '.cm-selectionBackground, &.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground': {
    backgroundColor: 'color-mix(in srgb, var(--accent) 28%, transparent)',
  },
  '.cm-matchingBracket, &.cm-focused .cm-matchingBracket': { backgroundColor: 'var(--sunken)', outline: '1px solid var(--strong-line)' },
  '.cm-tooltip': { backgroundColor: 'var(--surface)', color: 'var(--text)', border: '1px solid var(--strong-line)', borderRadius: 'var(--radius-small)', maxWidth: '32rem' },
  '.cm-tooltip-autocomplete > ul > li[aria-selected]': { backgroundColor: 'var(--accent)', color: 'var(--on-accent)' },
  '.cm-panels': { backgroundColor: 'var(--sunken)', color: 'var(--text)' },
  '.cm-diagnosticText': { whiteSpace: 'pre-wrap' },
  '.cm-diagnosticAction': { backgroundColor: 'var(--accent)', color: 'var(--on-accent)', borderRadius: 'var(--radius-small)' },
  '.about': { padding: 'var(--gap-2) var(--gap-3)', fontFamily: 'var(--font)', maxHeight: '18rem', overflow: 'auto' },
  '.about pre': { whiteSpace: 'pre-wrap', padding: 'var(--gap-2)' },
});

function editor(side, label, text, extensions) {
  return new cm.EditorView({
    parent: byId(`${side}-editor`),
    doc: text,
    extensions: [
      cm.EditorView.cspNonce.of(config.nonce),
      cm.lineNumbers(), cm.highlightSpecialChars(), cm.history(), cm.drawSelection(), cm.indentOnInput(),
      cm.bracketMatching(), cm.highlightActiveLine(), cm.lintGutter(), cm.search({ top: true }),
      cm.indentUnit.of('  '), cm.EditorView.lineWrapping, cm.syntaxHighlighting(colors), theme, litField,
      ...extensions,
      cm.keymap.of([
        ...cm.completionKeymap, ...cm.defaultKeymap, ...cm.historyKeymap, ...cm.searchKeymap, ...cm.lintKeymap,
        cm.indentWithTab,
      ]),
      cm.EditorView.contentAttributes.of({ 'aria-label': label, tabindex: '0', spellcheck: 'false', autocapitalize: 'off' }),
      cm.EditorView.updateListener.of((update) => changed(side, update)),
      cm.EditorView.domEventHandlers({
        mousemove: (event, view) => lightAt(side, view.posAtCoords({ x: event.clientX, y: event.clientY }), true),
        mouseleave: () => light([]),
        blur: () => light([]),
      }),
    ],
  });
}

function changed(side, update) {
  if (update.docChanged) return ask();
  if (update.selectionSet && update.view.hasFocus) lightAt(side, update.state.selection.main.head, true);
}

const views = {
  mapping: editor('mapping', 'Mapping, YAML', config.chosen.text, [
    cm.yaml(),
    cm.autocompletion({ override: [proposals] }),
    cm.hoverTooltip(description),
  ]),
  event: editor('event', 'Event, JSON', '', [cm.json(), cm.closeBrackets(), cm.keymap.of(cm.closeBracketsKeymap)]),
};
const text = (side) => views[side].state.doc.toString();
function replaceAll(side, insert) {
  const view = views[side];
  view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert }, selection: { anchor: 0 }, scrollIntoView: true });
}

// Asking, once the typing pauses. Only the answer to what is there now counts.

function question(more = {}) {
  return { mapping: text('mapping'), events: text('event'), settings: state.settings, chosen: state.chosen, home: state.home, ...more };
}

async function post(path, body, signal) {
  const headers = { 'Content-Type': 'application/json', 'X-CSRF-Token': csrf };
  const answer = await fetch(path, { method: 'POST', headers, body: JSON.stringify(body), signal });
  if ([401, 403].includes(answer.status)) throw Object.assign(new Error('You are signed out. Download the mapping to keep it, then reload the page.'), { refused: true });
  if (!answer.ok) throw Object.assign(new Error(`The console answered ${answer.status}. Reload the page.`), { refused: answer.status < 500 });
  return answer.json();
}

function ask(pause = TYPING_PAUSE) {
  state.asked += 1;
  clearTimeout(timer);
  timer = setTimeout(tryOut, pause);
}

async function tryOut() {
  const asked = state.asked;
  running?.abort();
  running = new AbortController();
  byId('playground').setAttribute('aria-busy', 'true');
  try {
    const answer = await post('/playground/try', question(), running.signal);
    if (asked !== state.asked || answer.superseded) return;
    state.retry = 0;
    lost(answer.error ?? '');
    if (!answer.error) show(answer);
  } catch (error) {
    if (error.name === 'AbortError' || asked !== state.asked) return;
    const wait = RETRIES[Math.min(state.retry, RETRIES.length - 1)];
    state.retry += 1;
    lost(error.refused ? error.message : `The console cannot be reached. Trying again in ${wait / 1000} s.`);
    if (!error.refused) timer = setTimeout(tryOut, wait);
  }
  byId('playground').setAttribute('aria-busy', 'false');
}

function lost(message) {
  byId('lost').hidden = !message;
  byId('lost').textContent = message;
}

// Showing the answer.

function show(answer) {
  state.name = answer.name;
  problems('mapping', answer.problems);
  problems('event', answer.event_problems);
  showSettings(answer.settings, answer.settings_problems);
  showPlan(answer);
}

function problems(side, found) {
  const view = views[side];
  const marked = found.filter((each) => each.range);
  const length = view.state.doc.length;
  const diagnostics = marked.map((each) => ({
    from: Math.min(each.range[0], length),
    to: Math.min(each.range[1], length),
    severity: each.level ?? 'error',
    message: [each.message, each.advice].filter(Boolean).join('\n'),
    actions: each.fix ? [{ name: each.fix.title, apply: () => mend(view, each.fix) }] : [],
  }));
  view.dispatch(cm.setDiagnostics(view.state, diagnostics));
  const list = byId(`${side}-problems`);
  list.replaceChildren(...found.map((each) => problemItem(view, each)));
  list.hidden = !found.length;
  const errors = found.filter((each) => (each.level ?? 'error') === 'error').length;
  const words = errors ? `${errors} problem${errors === 1 ? '' : 's'}` : found.length ? `${found.length} warning${found.length === 1 ? '' : 's'}` : 'No problems';
  badge(`${side}-state`, words, errors ? 'bad' : found.length ? 'warn' : 'good');
}

function problemCode(code) {
  if (!code) return '';
  // In a tab of its own: what was typed here is nowhere else.
  return element('a', { class: 'problem-code', href: `/docs/problems#${encodeURIComponent(code)}`, target: '_blank', title: 'What it means', text: code });
}

function problemItem(view, each) {
  const where = each.range === null && each.file ? `${each.file}:${each.line}` : `line ${each.line}`;
  const go = element('button', { type: 'button', class: 'quiet where', text: where, disabled: !each.range });
  go.addEventListener('click', () => {
    view.dispatch({ selection: { anchor: each.range[0] }, scrollIntoView: true });
    view.focus();
  });
  const item = element('li', { class: each.level === 'warning' ? 'warning' : 'error' },
    element('div', { class: 'head' }, go, problemCode(each.code)),
    element('div', { text: `${each.level === 'warning' ? 'Warning: ' : ''}${each.message}` }));
  if (each.advice) item.append(element('div', { class: 'advice', text: each.advice }));
  if (each.fix) {
    const fix = element('button', { type: 'button', class: 'small fix', text: each.fix.title });
    fix.addEventListener('click', () => mend(view, each.fix));
    item.append(fix);
  }
  return item;
}

function mend(view, fix) {
  view.dispatch({ changes: { from: fix.range[0], to: fix.range[1], insert: fix.text }, userEvent: 'input.fix' });
  view.focus();
}

function badge(id, words, kind) {
  const shown = byId(id);
  shown.hidden = false;
  shown.textContent = words;
  shown.className = `badge ${kind}`;
}

const KINDS = { planned: 'good', ignored: '', invalid: 'bad' };

function showPlan(answer) {
  const results = byId('results');
  const stale = !answer.plan;
  results.classList.toggle('stale', stale);
  byId('stale').hidden = !stale;
  if (stale) {
    state.links = [];
    light([]);
    byId('stale').textContent = whyNoPlan(answer);
    return badge('outcome', 'not tried', 'warn');
  }
  const { plan } = answer;
  badge('outcome', plan.outcome, KINDS[plan.outcome] ?? '');
  byId('reason').textContent = plan.reason;
  state.links = answer.links;
  state.chosen = answer.chosen;
  showEvents(answer.events);
  byId('requests').replaceChildren(...plan.requests.map(requestItem));
  const reports = byId('reports');
  const left = plan.reports_left_out ? [{ message: `${plan.reports_left_out} more reports`, code: '' }] : [];
  reports.replaceChildren(...[...plan.reports, ...left].map((each) => element('li', {},
    element('div', { class: 'head' }, element('span', { text: each.message }), element('span', { class: 'problem-code', text: each.code })))));
  reports.hidden = !reports.children.length;
}

function whyNoPlan(answer) {
  if (answer.settings_problems.length) return `Settings: ${answer.settings_problems.join(' ')}`;
  if (answer.problems.some((each) => each.level === 'error')) return 'The mapping has problems. The requests below are those of before.';
  return 'There is no event that can be read.';
}

function showEvents(events) {
  const group = byId('events');
  group.hidden = events.length < 2;
  group.replaceChildren(...events.map((each, number) => {
    const button = element('button', { type: 'button', class: 'small', 'aria-pressed': String(number === state.chosen), text: `${number + 1}. ${each.title}: ${each.outcome}`, title: each.reason });
    button.addEventListener('click', () => {
      state.chosen = number;
      ask(0);
    });
    return button;
  }));
}

function requestItem(request, number) {
  const copy = element('button', { type: 'button', class: 'small', text: 'Copy as curl', disabled: !request.curl });
  copy.addEventListener('click', () => copied(copy, request.curl));
  const shown = element('pre', { 'aria-label': `${request.title}, as HTTP`, role: 'group' });
  fillText(shown, request.text, number);
  const absent = state.links.map((link, at) => [link, at]).filter(([link]) => link.kind === 'absent' && link.request === number);
  const made = element('article', { class: 'request' },
    element('div', { class: 'head' }, element('h3', { text: request.title }), copy), shown);
  if (absent.length) {
    made.append(element('ul', { class: 'absent', 'aria-label': 'Not sent' },
      ...absent.map(([link, at]) => element('li', {}, fieldButton(link.text.split(' · ')[0], [at])))));
  }
  made.addEventListener('keydown', moveField);
  const first = made.querySelector('.field-of');
  if (first) first.tabIndex = 0;
  return made;
}

/** Writes a request; what is linked becomes a button. Of places inside each other only the inner ones do. */
function fillText(shown, whole, number) {
  const placed = [];
  const found = state.links.map((link, at) => ({ link, at })).filter(({ link }) => link.output && link.request === number);
  found.sort((one, other) => (one.link.output[1] - one.link.output[0]) - (other.link.output[1] - other.link.output[0]));
  for (const { link, at } of found) {
    const [from, to] = link.output;
    const same = placed.find((each) => each.from === from && each.to === to);
    if (same) same.links.push(at);
    else if (placed.every((each) => each.to <= from || each.from >= to)) placed.push({ from, to, links: [at] });
  }
  placed.sort((one, other) => one.from - other.from);
  let done = 0;
  for (const { from, to, links } of placed) {
    shown.append(whole.slice(done, from), fieldButton(whole.slice(from, to), links));
    done = to;
  }
  shown.append(whole.slice(done));
}

function fieldButton(words, links) {
  const made = element('span', { role: 'button', class: 'field-of', tabindex: '-1', 'data-links': links.join(' '), text: words });
  const found = () => links.map((at) => state.links[at]).filter(Boolean);
  made.addEventListener('mouseenter', () => light(found(), 'requests', true));
  made.addEventListener('mouseleave', () => light([]));
  made.addEventListener('focus', () => light(found(), 'requests', true));
  made.addEventListener('click', () => light(found(), 'requests', true));
  return made;
}

function moveField(event) {
  const by = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
  if (!by || !event.target.classList.contains('field-of')) return;
  event.preventDefault();
  const all = [...event.currentTarget.querySelectorAll('.field-of')];
  const next = all[all.indexOf(event.target) + by];
  if (!next) return;
  event.target.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

async function copied(button, words) {
  try {
    await navigator.clipboard.writeText(words);
    button.textContent = 'Copied';
  } catch { // without TLS, browsers let nobody but the person copy
    const shown = element('pre', { text: words });
    button.closest('.request').append(shown);
    getSelection().selectAllChildren(shown);
    button.textContent = 'Press Ctrl C';
    setTimeout(() => shown.remove(), 15_000);
  }
  setTimeout(() => { button.textContent = 'Copy as curl'; }, 1500);
}

// What belongs together.

/** Lights up all sides of some links; `scroll` also brings those of the other sides into view. */
function light(links, from = '', scroll = false) {
  const same = links.length === state.lit.length && links.every((link, number) => link === state.lit[number]);
  if (same) return;
  state.lit = links;
  for (const side of SIDES) {
    const ranges = links.flatMap((link) => (side === 'mapping' ? link.mapping : link.event));
    views[side].dispatch({ effects: setLit.of(ranges) });
    if (scroll && from !== side && ranges.length) {
      const block = views[side].lineBlockAt(Math.min(ranges[0][0], views[side].state.doc.length));
      bringIntoView(views[side].scrollDOM, block.top, block.bottom);
    }
  }
  const numbers = new Set(links.map((link) => String(state.links.indexOf(link))));
  let first;
  for (const each of document.querySelectorAll('.field-of')) {
    const on = each.dataset.links.split(' ').some((at) => numbers.has(at));
    each.classList.toggle('lit', on);
    if (on) first ??= each;
  }
  if (scroll && first && from !== 'requests') {
    const { top, bottom } = first.getBoundingClientRect();
    const above = byId('results').scrollTop - byId('results').getBoundingClientRect().top;
    bringIntoView(byId('results'), top + above, bottom + above);
  }
  const words = links.slice(0, 3).map((link) => link.text).join('   |   ');
  const line = links.length > 3 ? `${words}   and ${links.length - 3} more` : words;
  if (byId('link').textContent !== line) byId('link').textContent = line;
}

/** Scrolls one side and nothing around it: the page must not jump under the pointer. */
function bringIntoView(box, top, bottom) {
  if (top < box.scrollTop || bottom > box.scrollTop + box.clientHeight) box.scrollTop = top - box.clientHeight / 3;
}

/** Lights up what belongs to a place of an editor: of places inside each other, the innermost. */
function lightAt(side, position, scroll = false) {
  if (position === null) return light([]);
  const size = ([from, to]) => to - from;
  const around = (link) => (side === 'mapping' ? link.mapping : link.event)
    .filter(([from, to]) => from <= position && position <= to);
  const found = state.links.map((link) => ({ link, inner: Math.min(...around(link).map(size)) })).filter(({ inner }) => inner < Infinity);
  const innermost = Math.min(...found.map(({ inner }) => inner));
  return light(found.filter(({ inner }) => inner === innermost).map(({ link }) => link), side, scroll);
}

// Settings.

function showSettings(settings, faults) {
  const names = settings.map((each) => each.name).join(' ');
  const form = byId('settings-form');
  if (!settings.length && !faults.length && form.dataset.names === undefined) return;
  byId('settings-hint').textContent = faults.length ? 'have a problem' : Object.keys(state.settings).length ? 'changed' : "the mapping's examples";
  if (!settings.length || form.dataset.names === names) return;
  form.dataset.names = names;
  byId('settings').hidden = false;
  form.replaceChildren(...settings.map(settingField));
}

function settingField(each) {
  const id = `setting-${each.name}`;
  const control = each.choices.length
    ? element('select', { id }, element('option', { value: '', text: 'the default' }), ...each.choices.map((choice) => element('option', { text: String(choice) })))
    : element('input', { id, type: each.secret ? 'password' : 'text', autocomplete: 'off', placeholder: each.secret ? 'the example' : written(each.example) });
  control.addEventListener('input', () => {
    if (control.value) state.settings[each.name] = value(control.value, each.type);
    else delete state.settings[each.name];
    ask();
  });
  return element('div', { class: 'field' }, element('label', { for: id, text: each.label, title: each.about }), control);
}

function written(example) {
  return typeof example === 'string' ? example : example === null || example === undefined ? '' : JSON.stringify(example);
}

function value(words, type) {
  if (['string', 'url', 'template'].includes(type)) return words;
  try {
    return JSON.parse(words);
  } catch {
    return words;
  }
}

// Proposals and descriptions, as in an editor.

async function assist(kind, view, position) {
  const line = view.state.doc.lineAt(position);
  const more = { ask: kind, page: pageId, line: line.number - 1, unit: position - line.from };
  try {
    return await post('/playground/assist', question(more));
  } catch {
    return {}; // it helps where it can; trying says what is wrong
  }
}

async function proposals(context) {
  if (!context.explicit && !context.matchBefore(/[\w.:$\{"-]+ ?/)) return null;
  const found = (await assist('complete', context.view, context.pos)).proposals ?? [];
  if (!found.length || context.aborted) return null;
  return {
    from: found[0].range[0],
    options: found.map((each) => ({
      label: each.label,
      type: { key: 'property', field: 'variable', function: 'function' }[each.kind] ?? 'text',
      detail: each.detail || undefined,
      info: each.about || undefined,
      apply: (view) => view.dispatch({
        changes: { from: each.range[0], to: Math.max(each.range[1], view.state.selection.main.head), insert: each.text },
        selection: { anchor: each.range[0] + each.text.length },
        userEvent: 'input.complete',
      }),
    })),
  };
}

async function description(view, position) {
  const found = await assist('hover', view, position);
  if (!found.markdown) return null;
  const about = element('div', { class: 'about' });
  found.markdown.split(/^```+\n?/m).forEach((piece, number) => about.append(number % 2
    ? element('pre', { text: piece.trimEnd() })
    : element('p', { text: piece.replaceAll('**', '').replace(/\\([^\w\s])/g, '$1').trim() })));
  return { pos: found.range[0], end: found.range[1], above: true, create: () => ({ dom: about }) };
}

// Choosing.

function options(select, groups) {
  select.replaceChildren(...groups.filter(([, found]) => found.length).map(([label, found]) =>
    element('optgroup', { label }, ...found.map(([key, words]) => element('option', { value: key, text: words })))));
}

function groupsOf(group) {
  return config.mappings.filter((each) => each.group === group).map((each) => [each.name, each.name]);
}

function showExamples(examples) {
  state.examples = examples;
  options(byId('sample'), [
    ['Examples of this mapping', examples.map((each, number) => [`example ${number}`, each.title])],
    ['Samples', config.samples.map((each, number) => [`sample ${number}`, each.title])],
  ]);
}

function chooseEvent(key) {
  const [kind, number] = key.split(' ');
  state.chosen = 0;
  replaceAll('event', (kind === 'example' ? state.examples : config.samples)[number].events);
}

async function chooseMapping(name) {
  try {
    const answer = await fetch(`/playground/mapping?name=${encodeURIComponent(name)}`);
    if (!answer.ok) throw new Error();
    take(await answer.json());
  } catch {
    lost(`The mapping ${name} cannot be loaded. Choose it again, or reload the page.`);
  }
}

function showAbout(name) {
  const about = byId('about');
  if (!about) return; // this console has no page of destinations
  about.hidden = !config.mappings.some((each) => each.name === name && each.group !== 'start');
  about.href = `/destinations/${encodeURIComponent(name)}`;
}

function take(chosen) {
  showAbout(chosen.name);
  state.home = chosen.home;
  state.settings = {};
  delete byId('settings-form').dataset.names;
  showExamples(chosen.examples);
  replaceAll('mapping', chosen.text);
  state.kept = text('mapping');
  chooseEvent(byId('sample').value);
}

options(byId('mapping'), [['Start here', groupsOf('start')], ['Your mappings', groupsOf('own')], ['Shipped', groupsOf('shipped')]]);
byId('mapping').value = config.chosen.name;
byId('mapping').addEventListener('change', (event) => chooseMapping(event.target.value));
byId('sample').addEventListener('change', (event) => chooseEvent(event.target.value));
byId('settings-form').addEventListener('submit', (event) => event.preventDefault());

byId('download').addEventListener('click', () => {
  const link = element('a', { href: URL.createObjectURL(new Blob([text('mapping')], { type: 'text/yaml' })), download: `${state.name ?? 'mapping'}.yaml` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  state.kept = text('mapping');
  byId('link').textContent = `Next: validate-mappings ${link.download}, and engine run ${link.download} --events FILE --example-settings`;
});

// What was typed is nowhere else, so the browser asks before it is gone.
state.kept = text('mapping');
window.addEventListener('beforeunload', (event) => {
  if (text('mapping') !== state.kept) event.preventDefault();
});

// Tabs, where the sides do not fit beside each other.

const tabs = [...document.querySelectorAll('[role=tab]')];
function openTab(tab) {
  for (const each of tabs) {
    each.setAttribute('aria-selected', String(each === tab));
    each.tabIndex = each === tab ? 0 : -1;
    byId(each.getAttribute('aria-controls')).toggleAttribute('data-hidden', each !== tab);
  }
  SIDES.forEach((side) => views[side].requestMeasure());
}
tabs.forEach((tab, number) => {
  tab.addEventListener('click', () => openTab(tab));
  tab.addEventListener('keydown', (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const next = tabs[(number + by + tabs.length) % tabs.length];
    openTab(next);
    next.focus();
  });
});
openTab(tabs[0]);

showAbout(config.chosen.name);
showExamples(config.chosen.examples);
chooseEvent(byId('sample').value);
ask(0);
