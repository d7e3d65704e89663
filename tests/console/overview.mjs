// The frame, then every page is looked at once. Then the Overview: both themes and both widths, what moves without a reload, and a
// stream that comes back by itself.

import { axe, check, shot, story } from './browser.mjs';
import { frame } from './frame.mjs';

await story(async ({ open, signIn, given }) => {
  await frame({ open, signIn, given });
  const page = await signIn({ height: 1000 });
  for (const path of ['/events', '/set-aside', '/audiences', '/deletions', '/playground', '/destinations']) {
    await page.goto(path);
    await axe(page, path);
  }
  await page.goto('/');
  const stream = (state) => page.locator(`#stream[data-state=${state}]`).waitFor();
  await stream('open');
  for (const [colorScheme, width] of [['light', 1280], ['dark', 1280], ['light', 390], ['dark', 390]]) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height: 1000 });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    check(wide <= width, 'nothing is wider than the window', wide, width);
    const hidden = await page.evaluate(() => { const pages = document.querySelector('.pages'); return pages.scrollWidth - pages.clientWidth; });
    check(hidden <= 0, 'every page of the navigation is in sight', hidden);
    if ((colorScheme === 'dark') === (width === 390)) await axe(page, `overview, ${colorScheme}, ${width}`);
    await shot(page, `overview-${colorScheme}-${width}`);
  }

  const order = (name) => fetch(`${given.control}/${name}`);
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
