// The destinations and the form of a connection: made from the mapping, errors at their fields, saved, compared, reloaded.

import { axe, check, shot, story } from './browser.mjs';

const PAGES = {
  destinations: '/destinations',
  destination: '/destinations/slack',
  connection: '/connections/orders',
  'new-connection': '/connections/new?destination=exponea',
  documentation: '/docs/testing',
};

await story(async ({ signIn }) => {
  for (const dark of [false, true]) {
    const page = await signIn({ dark });
    const theme = dark ? 'dark' : 'light';
    for (const [what, address] of Object.entries(PAGES).filter(([what]) => !dark || what === 'connection')) {
      await page.setViewportSize({ width: 1280, height: 900 });
      await page.goto(address);
      await axe(page, `${what}, ${theme}`);
      await shot(page, `${what}-${theme}-1280`);
      await page.setViewportSize({ width: 390, height: 844 });
      const excess = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      check(excess <= 0, `${what} fits a phone`, excess);
      await shot(page, `${what}-${theme}-390`);
    }
    await page.context().close();
  }

  // A new connection, by keyboard: an error at its field, then saved.
  const page = await signIn();
  await page.goto('/destinations');
  await page.getByRole('link', { name: 'New connection to Exponea' }).click();
  await page.locator('#name:focus').waitFor();
  await page.keyboard.type('eu_shop');
  await page.getByLabel('API Base URL').fill('ftp://example.com');
  await page.getByLabel('Project token').fill('<b>tok</b>');
  await page.getByLabel('Exponea hard ID').fill('registered');
  await page.getByLabel('Exponea soft ID').fill('cookie');
  await page.keyboard.press('Enter');
  await page.getByText('Nothing was written.').waitFor();
  const field = page.getByLabel('API Base URL');
  await page.locator('[id="setting.api_base_url"]:focus').waitFor();
  check((await field.getAttribute('aria-invalid')) === 'true', 'the error is at its field');
  check((await field.inputValue()) === 'ftp://example.com', 'what was typed stays');
  await axe(page, 'errors');
  await shot(page, 'errors-light-1280');
  await field.fill('');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByText('the environment variable EU_SHOP_API_KEY is not set').waitFor();
  await shot(page, 'unset-light-1280');
  await page.getByRole('button', { name: 'Save disabled' }).click();
  await page.getByText('Saved to').waitFor();
  check(new URL(page.url()).pathname === '/connections/eu_shop', 'the page of the connection', page.url());
  await shot(page, 'saved-light-1280');
  await page.getByRole('button', { name: 'Reload', exact: true }).click();
  await page.getByText('Reloaded.').waitFor();
  await shot(page, 'reloaded-light-1280');

  // Two people at once.
  const other = await signIn();
  await Promise.all([page, other].map((each) => each.goto('/connections/orders')));
  await other.getByLabel('Rate limit').fill('5/s');
  await other.getByRole('button', { name: 'Save', exact: true }).click();
  await other.getByText('Saved to').waitFor();
  await page.getByLabel('Rate limit').fill('7/m');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByText('The file was changed after this form was opened').waitFor();
  const row = page.getByRole('row', { name: 'rate_limit' });
  check((await row.innerText()).replace(/\s+/g, ' ') === 'rate_limit 5/s 7/m', 'both are shown', await row.innerText());
  await axe(page, 'a conflict');
  await shot(page, 'conflict-light-1280');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByText('Saved to').waitFor();

  // What the vendor says, and the YAML to paste.
  await page.getByRole('button', { name: 'Check', exact: true }).click();
  await page.getByText('Settings are valid; Slack has no request to check credentials.').waitFor();
  await page.getByRole('button', { name: 'Show YAML' }).click();
  await page.getByRole('heading', { name: 'The YAML' }).waitFor();
  await shot(page, 'yaml-light-1280');
});
