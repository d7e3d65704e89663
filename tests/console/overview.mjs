// The Overview: both themes and both widths, what moves without a reload, and a stream that comes back by itself.

import { axe, check, shot, story } from './browser.mjs';

await story(async ({ signIn, given }) => {
  for (const dark of [false, true]) {
    const theme = dark ? 'dark' : 'light';
    const page = await signIn({ dark, height: 1000 });
    await page.locator('#stream[data-state=open]').waitFor();
    await axe(page, `overview, ${theme}`);
    await shot(page, `overview-${theme}`);
    await page.setViewportSize({ width: 390, height: 844 });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    check(wide <= 390, 'nothing is wider than a phone', wide);
    await axe(page, `overview on a phone, ${theme}`);
    await shot(page, `overview-${theme}-390`);
    await page.context().close();
  }

  const order = (name) => fetch(`${given.control}/${name}`);
  const page = await signIn();
  const stream = (state) => page.locator(`#stream[data-state=${state}]`).waitFor();
  await stream('open');
  await order('pause');
  await page.getByText('a change to see').waitFor();

  await order('away');
  await stream('lost');
  await order('back');
  await stream('open');

  await page.getByRole('button', { name: 'Resume crm' }).click();
  await page.getByText('the vendor answered 401').waitFor({ state: 'detached' });

  // Another process knows no session: the page asks to sign in, and leads back.
  await stream('open');
  await order('anew');
  await page.waitForURL((url) => url.pathname === '/login');
  await page.fill('#token', given.token);
  await page.keyboard.press('Enter');
  await stream('open');
});
