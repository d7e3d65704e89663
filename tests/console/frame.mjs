// The frame of every page: signing in by token and by link, what is refused, the theme, the keys, and no violations.

import { fileURLToPath } from 'node:url';

import { axe, check, shot, story } from './browser.mjs';

export async function frame({ open, signIn, given }) {
  const login = await open('/');
  check(new URL(login.url()).pathname === '/login', 'a page asks to sign in', login.url());
  for (const [colorScheme, width] of [['light', 1280], ['dark', 390]]) {
    await login.emulateMedia({ colorScheme });
    await login.setViewportSize({ width, height: 844 });
    await axe(login, `login, ${colorScheme}`);
    await shot(login, `login-${colorScheme}`);
  }
  await login.fill('#token', 'guess');
  await login.keyboard.press('Enter');
  await login.getByText('This is not the token.').waitFor();

  await login.goto(given.link);
  await login.waitForURL((url) => url.pathname === given.first);
  await login.context().clearCookies();
  await login.goto(given.link);
  await login.getByText('This link has been used').waitFor();
  await login.context().close();

  const page = await signIn();
  await page.keyboard.press('t');
  check((await page.evaluate(() => document.documentElement.dataset.theme)) === 'dark', 't changes the theme');
  await page.reload();
  check((await page.evaluate(() => document.documentElement.dataset.theme)) === 'dark', 'and it stays');
  await page.keyboard.press('?');
  check(await page.getByRole('dialog').isVisible(), '? shows the keys');
  await page.keyboard.press('Escape');

  // A form from an earlier session.
  await page.evaluate(() => (document.querySelector('form[action="/logout"] [name=csrf]').value = 'stale'));
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByText('The form is from an earlier session').waitFor();
  await shot(page, 'error');
  await page.goto(given.first);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.waitForURL((url) => url.pathname === '/login');
  const stored = await page.evaluate(() => [Object.keys(localStorage), Object.keys(sessionStorage), document.cookie]);
  check(JSON.stringify(stored) === '[["waybill-theme"],[],""]', 'the browser keeps the theme only', stored);
  await page.context().close();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await story(frame);
