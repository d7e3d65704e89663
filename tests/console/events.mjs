// Events and Set aside: search, one event, what belongs together, replay, the live tail, hostile events, both themes.

import { axe, check, failed, shot, story } from './browser.mjs';

async function looked(page, name, path, { phone = true } = {}) {
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.goto(path);
  await page.waitForFunction(() => !document.querySelector('.requests [role=status]'));
  await axe(page, name);
  await shot(page, name);
  if (!phone) return;
  await page.setViewportSize({ width: 390, height: 844 });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  check(wide <= 390, name, 'is not wider than a phone', wide);
  await shot(page, `${name}-390`);
}

await story(async ({ open, signIn, given }) => {
  const order = (name) => fetch(`${given.control}/${name}`);
  const page = await signIn();

  // A search, which no address names the person of.
  await page.goto('/events');
  await page.keyboard.press('/');
  await page.keyboard.type('bob');
  await page.getByLabel('rejected').check();
  await page.keyboard.press('Enter');
  await page.waitForURL(/person=/);
  check(!page.url().includes('bob'), 'the address does not name the person', page.url());
  check((await page.inputValue('#f-user')) === 'bob', 'the form does');
  check((await page.locator('#rows tr').count()) === 1, 'one is found', await page.locator('#rows').innerText());

  // One event: its fields and where they are from, by mouse and by keyboard.
  await page.locator('#rows tr', { hasText: 'crm' }).getByRole('link').click();
  const rule = page.locator('button.rule', { hasText: /data\.total.*user_com/ });
  await rule.hover();
  const lit = page.locator('#payload .lit');
  check((await lit.innerText()).includes('total: 40'), 'the field of the event lights up', await lit.innerText());
  check(/data\.total ← properties\.total.*user_com\.yaml:\d+/.test(await page.locator('#rule').innerText()), 'and its rule is said');
  await page.mouse.move(0, 0);
  await rule.focus();
  check(await page.locator('#rule').isVisible(), 'the keyboard shows it too');
  await page.getByRole('button', { name: 'Collapse all' }).click();
  check(!(await page.locator('#payload').innerText()).includes('total: 40'), 'the payload folds');
  await page.locator('#payload details details summary').first().focus();
  await page.keyboard.press('Enter');
  check(await page.locator('#payload details details').first().evaluate((each) => each.open), 'and unfolds by keyboard');

  // A replay: asked first, then the event waits.
  const shop = page.locator('section.card', { has: page.getByRole('heading', { name: 'shop' }) });
  await shop.getByRole('link', { name: 'Replay' }).click();
  await page.getByText('would be sent').waitFor();
  await page.getByRole('button', { name: 'Replay it' }).click();
  await page.getByText('queued again by a person').waitFor();

  // The live tail, while events come in.
  await page.goto('/events');
  await page.getByRole('button', { name: 'Live tail' }).click();
  await page.locator('#stream[data-state=open]').waitFor();
  await order('send');
  await page.locator('#rows tr.new', { hasText: 'shop' }).filter({ hasText: 'delivered' }).waitFor();
  await order('burst');
  await page.waitForFunction(() => /left out/.test(document.getElementById('tail-words').textContent));
  check((await page.locator('#rows tr').count()) <= 200, 'the tail keeps at most 200 rows');
  await page.getByRole('button', { name: 'Pause' }).click();
  check((await page.locator('#tail').getAttribute('aria-pressed')) === 'false', 'the tail pauses');
  await shot(page, 'tail');

  // A group: opened, previewed under another mapping, and replayed.
  await page.goto('/set-aside');
  await page.locator('tr', { hasText: 'the vendor answered 400' }).getByRole('link', { name: 'Preview' }).click();
  await page.getByText('Preview under another mapping').click();
  await page.fill('#mapping', 'name: user_com\nversion: 7');
  await page.getByRole('button', { name: 'Preview' }).click();
  await page.getByText('The mapping has problems.').waitFor();
  await axe(page, 'problems of a mapping that is tried');
  await page.getByRole('link', { name: 'Back to the current mapping' }).click();
  await page.getByRole('button', { name: 'Replay 1 event' }).click();
  await page.getByText('1 of 1 event queued again').waitFor();
  await shot(page, 'replayed');

  // Both themes and widths.
  const pages = { event: given.event, 'set-aside': '/set-aside', discarded: '/set-aside/discarded', events: '/events?outcome=delivered' };
  for (const [name, path] of Object.entries(pages)) await looked(page, `${name}-light`, path, { phone: name !== 'discarded' });
  await page.keyboard.press('t');
  await looked(page, 'event-dark', given.event);
  await looked(page, 'set-aside-dark', '/set-aside', { phone: false });

  // Nothing of a hostile event runs, and nothing of it makes a page wider.
  const hostile = await open(`${given.hostile}/login`, { width: 390, height: 844 });
  await hostile.fill('#token', given.token);
  await hostile.click('button.primary');
  hostile.on('dialog', (dialog) => failed('a script ran:', dialog.message()));
  for (const path of ['/events', '/events/1', '/events/3', '/set-aside']) {
    await hostile.goto(given.hostile + path);
    await hostile.waitForFunction(() => !document.querySelector('.requests [role=status]'));
    check((await hostile.locator('img, main script').count()) === 0, 'no element of an event', path);
    await shot(hostile, `hostile${path.replaceAll('/', '-')}`);
    const wide = await hostile.evaluate(() => document.documentElement.scrollWidth);
    check(wide <= 390, path, 'is not wider than a phone', wide);
  }
});
