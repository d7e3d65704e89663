// Audiences and deletions: both widths and themes, a preview, the memberships of a user, and an approval that counts once.

import { axe, check, shot, story } from './browser.mjs';

await story(async ({ signIn, given }) => {
  const page = await signIn({ height: 1000 });
  const looks = async (path, name, ready) => {
    await page.goto(path);
    if (ready) await ready();
    for (const [colorScheme, width] of [['light', 1280], ['dark', 390], ['dark', 1280], ['light', 390]]) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 1000 });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      check(wide <= width, `${name}: nothing is wider than the window`, wide, width);
      if ((colorScheme === 'dark') === (width === 390)) await axe(page, `${name}, ${colorScheme}, ${width}`);
      await shot(page, `${name}-${colorScheme}-${width}`);
    }
    await page.emulateMedia({ colorScheme: 'light' });
    await page.setViewportSize({ width: 1280, height: 1000 });
  };
  const preview = async (words) => {
    await page.getByRole('button', { name: 'Preview' }).or(page.getByRole('link', { name: 'Preview' })).click();
    await page.getByText(words).first().waitFor();
  };

  await looks('/audiences', 'audiences');
  await looks('/audiences/buyers', 'audience', async () => {
    await preview('Would enter');
    await page.getByText('The query that it becomes').click();
  });
  await looks('/audiences/lapsed', 'audience-new', () => preview('The first of 1'));
  await looks('/audiences/failing', 'audience-failed');
  await looks('/deletions', 'deletions');
  await looks('/deletions/1', 'deletion');

  // A user's memberships: whom the search is about is in no address.
  await page.goto('/audiences');
  await page.keyboard.press('/');
  await page.keyboard.type('ann@example.com');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'ann', exact: true }).waitFor();
  check(!page.url().includes('ann'), 'the address does not say who', page.url());
  await looks(page.url(), 'memberships', async () => {
    await page.getByRole('heading', { name: 'ann', exact: true }).waitFor();
    await page.getByText('conditions hold').first().click();
  });

  // From an event to the memberships of its person.
  await page.goto(given.event);
  await page.getByRole('button', { name: 'Memberships' }).click();
  await page.getByRole('heading', { name: 'ann', exact: true }).waitFor();

  // An approval counts once: the button is gone while it runs, and after it.
  await looks('/audiences/guarded_ones', 'audience-guarded');
  await page.getByRole('button', { name: 'Approve and send' }).click();
  await page.getByText('done').first().waitFor();
  check((await page.getByRole('button', { name: 'Approve and send' }).count()) === 0, 'nothing is left to approve');
});
