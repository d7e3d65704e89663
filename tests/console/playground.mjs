// The playground: a fault and its fix, what lights up, choosing, keys alone, a lost connection, and hostile events.

import { axe, check, shot, story } from './browser.mjs';

/** Takes a word of an editor with a double click and types another; the editor only has the lines that are in view. */
const replaceWord = async (page, side, word, typed) => {
  const place = await page.evaluate(async ([inside, wanted]) => {
    const scroller = document.querySelector(`#${inside}-editor .cm-scroller`);
    for (scroller.scrollTop = 0; ; scroller.scrollTop += 100) {
      for (let frame = 0; frame < 2; frame += 1) await new Promise(requestAnimationFrame);
      const walker = document.createTreeWalker(scroller, NodeFilter.SHOW_TEXT);
      for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const at = node.data.indexOf(wanted);
        if (at < 0) continue;
        node.parentElement.scrollIntoView({ block: 'center' });
        const range = document.createRange();
        range.setStart(node, at);
        range.setEnd(node, at + wanted.length);
        const box = range.getBoundingClientRect();
        return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
      }
      if (scroller.scrollTop + scroller.clientHeight >= scroller.scrollHeight - 1) throw new Error(`no ${wanted}`);
    }
  }, [side, word]);
  await page.mouse.dblclick(place.x, place.y);
  await page.keyboard.type(typed);
};
const requests = (page, words) => page.locator('#requests pre', { hasText: words }).first().waitFor();
const lit = (page, side) => page.locator(`#${side}-editor .lit`).allTextContents().then((found) => found.join(''));

await story(async ({ signIn, given }) => {
  const page = await signIn();
  check(new URL(page.url()).pathname === '/playground', 'without an outbox the console opens here');
  await requests(page, '"name": "order_completed"');
  check((await page.locator('#outcome').textContent()) === 'planned', 'the outcome');
  await shot(page, 'playground-1280-light');

  // A fault, at its line and in the list; the fix; and another request.
  await replaceWord(page, 'mapping', 'lowercase', 'lower');
  await page.locator('#mapping-problems li', { hasText: 'Unknown function "lower".' }).waitFor();
  check((await page.locator('.cm-lintRange-error').textContent()) === 'lower', 'the fault is marked where it is');
  check(await page.getByText('The requests below are those of before.').isVisible(), 'the requests are said to be old');
  await axe(page, 'a problem');
  await shot(page, 'playground-problem');
  const help = await page.locator('#mapping-problems a.problem-code').getAttribute('href');
  check(help === '/docs/problems#unknown-function', 'the code leads to its explanation', help);
  await page.locator('#mapping-problems').getByRole('button', { name: 'Replace lower with lowercase' }).click();
  await page.locator('#mapping-problems').waitFor({ state: 'hidden' });
  await replaceWord(page, 'mapping', 'snake_case', 'uppercase');
  await requests(page, '"name": "ORDER COMPLETED"');
  const asked = page.waitForEvent('dialog');
  const left = page.goto('/docs').catch((error) => error); // it is not left: the question is answered with no
  await (await asked).dismiss();
  check((await left) instanceof Error && new URL(page.url()).pathname === '/playground', 'what was typed is not lost');

  // What belongs together, from each side.
  await page.locator('.field-of', { hasText: '"price"' }).hover();
  check((await lit(page, 'mapping')).startsWith('price: { from: properties.price'), 'the rule is lit', await lit(page, 'mapping'));
  check((await lit(page, 'event')) === '"price": "49.90"', 'the field is lit', await lit(page, 'event'));
  const line = await page.locator('#link').textContent();
  check(line === 'price ← properties.price through number · first_steps.yaml:37', 'in words', line);
  await page.locator('#event-editor .cm-line', { hasText: '"userId"' }).hover({ position: { x: 60, y: 8 } });
  await page.locator('.field-of.lit', { hasText: '"person"' }).waitFor();
  await page.locator('#mapping-editor .cm-line', { hasText: 'currency:' }).click();
  await page.locator('.field-of.lit', { hasText: '"currency"' }).waitFor();

  // By keyboard alone: fields with the arrows; Tab indents in an editor, and leaves it after Escape.
  await page.locator('#requests [tabindex="0"]').first().focus();
  await page.keyboard.press('ArrowDown');
  check((await page.locator('.field-of.lit').textContent()).startsWith('"name"'), 'an arrow goes to the next field');
  await page.locator('#event-editor .cm-content').focus();
  await page.keyboard.press('Control+Home');
  await page.keyboard.press('Escape');
  await page.keyboard.press('Tab');
  check(await page.evaluate(() => !document.activeElement.closest('#event-editor .cm-content')), 'Escape, Tab leaves');

  // Proposals and descriptions.
  await replaceWord(page, 'mapping', 'uppercase', 'snake');
  await page.keyboard.press('Control+Space');
  await page.locator('.cm-tooltip-autocomplete li', { hasText: 'snake_case' }).click();
  await requests(page, '"name": "order_completed"');

  // Several events, and a hostile one, which stays text.
  await page.selectOption('#sample', { label: 'Three events, one a line' });
  await page.locator('#events button').nth(2).click();
  await page.locator('#outcome', { hasText: 'invalid' }).waitFor();
  await page.selectOption('#sample', { label: 'Order Completed (track)' });
  await requests(page, '"currency": "EUR"');
  await replaceWord(page, 'event', 'EUR', '<img src=x onerror=alert(1)></script>');
  await requests(page, '<img src=x onerror=alert(1)></script>');
  check((await page.locator('main img').count()) === 0, 'no text becomes an element');

  // The console goes away for a moment.
  await page.route('**/playground/try', (route) => route.abort());
  await replaceWord(page, 'event', '123', '456');
  await page.getByText('The console cannot be reached. Trying again in 1 s.').waitFor();
  await page.unroute('**/playground/try');
  await requests(page, '"person": "user-456"');
  check(await page.locator('#lost').isHidden(), 'it goes on by itself');

  // Another browser, or another day: what was typed is not lost.
  await page.route('**/playground/try', (route) => route.fulfill({ status: 401 }));
  await replaceWord(page, 'event', '456', '789');
  await page.getByText('You are signed out. Download the mapping to keep it, then reload the page.').waitFor();
  await page.unroute('**/playground/try');

  // Another mapping, its example, its settings; and its file.
  await page.selectOption('#mapping', given.mapping);
  await requests(page, given.shown);
  await page.locator('#settings summary').click();
  await page.getByLabel(given.setting).fill('no address');
  await page.locator('#stale', { hasText: given.fault }).waitFor();
  await page.getByLabel(given.setting).fill('https://other.example');
  await requests(page, 'https://other.example');
  await axe(page, 'settings');
  await shot(page, 'playground-settings');
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('#download')]);
  check(download.suggestedFilename() === `${given.mapping}.yaml`, 'the file is named after the mapping');

  const next = await page.locator('#link').textContent();
  check(next.startsWith(`Next: validate-mappings ${given.mapping}.yaml`), 'what to do with the file', next);

  await page.click('#guide-close');
  await page.reload();
  await requests(page, 'order_completed');
  check(await page.locator('#guide').isHidden(), 'the guide stays closed');
  const stored = await page.evaluate(() => [Object.keys(localStorage), Object.entries(sessionStorage)]);
  check(JSON.stringify(stored) === '[[],[["waybill-guide","closed"]]]', 'the browser keeps nothing else', stored);

  // On a phone, in the dark: one side at a time.
  await page.setViewportSize({ width: 390, height: 844 });
  await page.emulateMedia({ colorScheme: 'dark' });
  for (const side of ['event', 'mapping', 'requests']) {
    await page.click(`#tab-${side}`);
    check(await page.locator(`#pane-${side}`).isVisible(), `the tab shows ${side}`);
    await shot(page, `playground-390-dark-${side}`);
  }
  await axe(page, 'a phone, dark');
  await page.locator('.field-of').first().click();
  check((await page.locator('#link').textContent()).startsWith('person ← userId'), 'a tap says where a field is from');
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  check(wide <= 390, 'nothing is wider than the phone', wide);
});
