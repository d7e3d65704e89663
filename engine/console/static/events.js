// Events and Set aside: the live tail, folding, what belongs together, and copying.

const MOST_ROWS = 200;
const number = (value) => value.toLocaleString('en-US').replaceAll(',', '\u202f');

// The live tail: the newest rows on top; what one update cannot show is counted.
const tail = document.getElementById('tail');
let source = null;
let leftOut = 0;
let arrived = 0;

function words(text) {
  document.getElementById('tail-words').textContent = text;
}

function arrive(message) {
  if (message.trouble) return words(message.trouble);
  const body = document.getElementById('rows');
  const template = document.createElement('template');
  template.innerHTML = message.rows;
  for (const row of [...template.content.querySelectorAll('tr')].reverse()) {
    document.getElementById(row.id)?.remove();
    row.classList.add('new');
    body.prepend(row);
  }
  while (body.rows.length > MOST_ROWS) body.lastElementChild.remove();
  document.getElementById('empty')?.remove();
  arrived += message.changed;
  leftOut += message.changed - message.shown;
  const sampled = message.changed > message.shown ? `, a sample: ${message.shown} of the last ${number(message.changed)}` : '';
  words(`${number(arrived)} changed${leftOut ? `, ${number(leftOut)} left out` : ''}${sampled}`);
}

function startTail() {
  source = new EventSource(tail.dataset.stream);
  // The frame of the page shows the state of a stream, and what to do if it is lost.
  source.addEventListener('open', () => document.dispatchEvent(new CustomEvent('htmx:sseOpen')));
  source.addEventListener('error', () => document.dispatchEvent(new CustomEvent('htmx:sseError')));
  source.addEventListener('tail', (event) => arrive(JSON.parse(event.data)));
  tail.setAttribute('aria-pressed', 'true');
  tail.textContent = 'Pause';
  words('Waiting for events …');
}

function stopTail() {
  source.close();
  source = null;
  document.getElementById('stream').hidden = true;
  tail.setAttribute('aria-pressed', 'false');
  tail.textContent = 'Live tail';
  words(arrived ? `Paused after ${number(arrived)}` : '');
}
tail?.addEventListener('click', () => (source ? stopTail() : startTail()));
addEventListener('pagehide', () => source?.close());

// Folding all of a payload; one value folds by itself.
document.addEventListener('click', (event) => {
  const button = event.target.closest('[data-fold]');
  if (!button) return;
  const tree = document.getElementById(button.getAttribute('aria-controls'));
  const all = [...tree.querySelectorAll('details')];
  const rest = button.dataset.fold === 'close' ? all.slice(1) : all;
  for (const each of rest) each.open = button.dataset.fold === 'open';
});

// A field of a request: its rule, and where its value stands in the payload.
const rule = document.getElementById('rule');
const payload = document.getElementById('payload');

function places(path) {
  // A path may name more than the event has, or go on where the tree ends: the nearest value that is shown stands for it.
  for (let rest = path; rest; rest = rest.replace(/(\.[^.[]*|\[[^[]*\]|[^.[]+)$/, '')) {
    const found = payload.querySelector(`[data-path="${CSS.escape(rest)}"]`);
    if (found) return found;
  }
  return null;
}

function light(button) {
  for (const each of payload.querySelectorAll('.lit')) each.classList.remove('lit');
  rule.hidden = !button || !button.dataset.rule;
  if (!button) return;
  rule.querySelector('.text').textContent = button.dataset.rule;
  rule.querySelector('.where').textContent = button.dataset.where.split('/').at(-1);
  const found = JSON.parse(button.dataset.from).map(places).filter(Boolean);
  for (const each of found) {
    each.classList.add('lit');
    for (let box = each.parentElement.closest('details'); box; box = box.parentElement.closest('details')) box.open = true;
  }
  const tree = found[0]?.closest('.tree');
  if (tree) {
    const inside = found[0].getBoundingClientRect();
    const around = tree.getBoundingClientRect();
    if (inside.top < around.top || inside.bottom > around.bottom) tree.scrollTop += inside.top - around.top - 40;
  }
}
if (rule && payload) {
  const field = (event) => event.target.closest?.('.rule[data-from]');
  document.addEventListener('mouseover', (event) => field(event) && light(field(event)));
  document.addEventListener('mouseout', (event) => field(event) && light(document.activeElement.closest('.rule[data-from]')));
  document.addEventListener('focusin', (event) => light(field(event)));
  document.addEventListener('click', (event) => field(event) && light(field(event)));
}

// Copying.
document.addEventListener('click', async (event) => {
  const button = event.target.closest('[data-copy]');
  if (!button) return;
  const shown = document.getElementById(button.dataset.copy);
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(shown.textContent);
    button.textContent = 'Copied';
  } catch {
    shown.hidden = false;
    getSelection().selectAllChildren(shown);
    button.textContent = 'Selected';
  }
  setTimeout(() => (button.textContent = before), 1500);
});
