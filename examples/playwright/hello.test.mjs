// Tests of an app behind the gate, in a browser; `gatehouse dev --exec` tells them where it is.
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {chromium} from 'playwright-core';

const {GATEHOUSE_APP_URL, GATEHOUSE_ENDPOINT, CHROMIUM = '/usr/bin/chromium'} = process.env;
let browser;
before(async () => (browser = await chromium.launch({executablePath: CHROMIUM})));
after(() => browser?.close());

// A browser context of its own, with that person signed in. An address that is not there is created.
async function openAs(account) {
  const page = await (await browser.newContext()).newPage();
  const query = new URLSearchParams({account, continue: GATEHOUSE_APP_URL + '/'});
  await page.goto(`${GATEHOUSE_ENDPOINT}/emulator/v1/sign-in?${query}`);
  return page;
}

const shown = (page) => page.locator('body').innerText();

test('Alice is greeted, in one browser with Bob, who is refused', async () => {
  const [alice, bob] = await Promise.all([openAs('alice@example.com'), openAs('bob@example.com')]);
  assert.equal((await shown(alice)).trim(), 'Hello alice@example.com');
  assert.match(await shown(bob), /You don.t have access/);
});

test('a stranger is asked to sign in, and comes to where the link led', async () => {
  const page = await (await browser.newContext()).newPage();
  await page.goto(GATEHOUSE_APP_URL + '/reports?year=2026');
  await page.getByRole('button', {name: 'alice@example.com'}).click();
  await page.waitForURL(GATEHOUSE_APP_URL + '/reports?year=2026');
  assert.equal((await shown(page)).trim(), 'Hello alice@example.com');
});

test('somebody new is nobody to the app until a policy says so', async () => {
  assert.match(await shown(await openAs('carol@example.com')), /You don.t have access/);
});
