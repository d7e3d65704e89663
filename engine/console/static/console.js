// What every page has: the theme, the keys, the token of changes, the state of the stream, and problems in plain sight.

const root = document.documentElement;
const byId = (id) => document.getElementById(id);

// htmx notes the address of each page, in which a search for a person may stand.
try {
  sessionStorage.removeItem('htmx-current-path-for-history');
} catch {
  // Then nothing was noted.
}

function changeTheme() {
  const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  root.dataset.theme = dark ? 'light' : 'dark';
  try {
    localStorage.setItem('waybill-theme', root.dataset.theme);
  } catch {
    // It then lasts until the next page.
  }
}
byId('theme').addEventListener('click', changeTheme);

// Keys: g and the number of a page, / for its search, t for the theme, ? for the list. Never while somebody types.
let goes = false;
document.addEventListener('keydown', (event) => {
  const typing = event.target.closest('input, textarea, select, [contenteditable], .cm-editor');
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (goes && /^[1-9]$/.test(event.key)) document.querySelectorAll('nav.pages a')[event.key - 1]?.click();
  goes = event.key === 'g';
  if (event.key === 't') changeTheme();
  if (event.key === '?' && byId('keys') && !byId('keys').open) byId('keys').showModal();
  const search = document.querySelector('[data-search]');
  if (event.key === '/' && search) {
    event.preventDefault();
    search.focus();
  }
});

// Changes carry the session's token.
document.addEventListener('htmx:configRequest', (event) => {
  event.detail.headers['X-CSRF-Token'] = document.querySelector('meta[name=csrf-token]').content;
});

// Problems: the words of the error page, as text.
function showProblem(text) {
  byId('problem').textContent = text;
  byId('problem').hidden = !text;
}
document.addEventListener('htmx:responseError', (event) => {
  const page = new DOMParser().parseFromString(event.detail.xhr.responseText, 'text/html');
  showProblem(page.querySelector('[data-problem]')?.textContent ?? `The console answered ${event.detail.xhr.status}.`);
});
document.addEventListener('htmx:sendError', () => showProblem('The console cannot be reached. Is it running?'));
document.addEventListener('htmx:afterRequest', (event) => event.detail.successful && showProblem(''));

// The stream: its state in words. A console that was started again knows no session: then the login page helps.
const STATES = { open: 'Live', lost: 'Reconnecting', out: 'Signed out' };
function showStream(state) {
  const shown = byId('stream');
  if (!shown) return;
  shown.hidden = false;
  shown.dataset.state = state;
  shown.querySelector('.words').textContent = STATES[state];
}
document.addEventListener('htmx:sseOpen', () => showStream('open'));
document.addEventListener('htmx:sseError', async () => {
  showStream('lost');
  try {
    const answer = await fetch('/session', { redirect: 'manual' });
    if (answer.type === 'opaqueredirect' || answer.status === 401) {
      showStream('out');
      location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
    }
  } catch {
    // Not reachable: the stream tries again by itself.
  }
});
