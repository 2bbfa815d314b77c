// Drives a browser for the tests beside it. Each line of standard input is an
// order in JSON, each line of standard output its response: the tests give the
// orders and check the results. Each person has a browser context of their own,
// as if they sat at machines of their own.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const [executable, directory] = process.argv.slice(2);
const patience = 45_000; // ms for one thing to come about; it takes one or two seconds

const browser = await chromium.launch({
  executablePath: executable, // with a new profile each time, which playwright removes
  headless: true,
  chromiumSandbox: process.getuid() !== 0, // as root it does not start with it
  args: [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});

const people = new Map(); // name to {page, console, alive}
const gone = []; // what came alive in browsers that are closed
const alive = (name) => people.get(name).alive.map((what) => `${name}: ${what}`);

// at is a person's page. It records every sign that hostile text ran as a
// script: dialogs, windows, and requests to other machines.
async function at(name) {
  if (people.has(name)) return people.get(name).page;
  const context = await browser.newContext({ viewport: { width: 1440, height: 1100 }, locale: "en-US", timezoneId: "UTC" });
  context.setDefaultTimeout(patience);
  const page = await context.newPage();
  const person = { page, console: [], alive: [] };
  page.on("console", (m) => person.console.push(`${m.type()}: ${m.text()}`));
  page.on("pageerror", (e) => person.console.push(`uncaught: ${e}`));
  page.on("popup", (p) => person.alive.push(`window: ${p.url()}`));
  page.on("dialog", async (d) => {
    person.alive.push(`dialog: ${d.message()}`);
    await d.dismiss();
  });
  await context.route(
    (url) => url.protocol.startsWith("http") && url.hostname !== "127.0.0.1",
    async (route) => {
      person.alive.push(`request: ${route.request().url()}`);
      await route.abort();
    },
  );
  people.set(name, person);
  return page;
}

// frame is where the UI renders one of a workflow's texts: summary, details
// or current-details.
const frame = (page, part) => page.locator(`#user-metadata-${part}`).contentFrame().locator("main");

// picture keeps what is in the window.
const picture = (page, name) => page.screenshot({ path: join(directory, `${name}.png`) });

const signIn = (page) => page.getByRole("button", { name: "Continue to SSO" });

// logIn goes by way of the identity provider.
async function logIn(page, as, shot) {
  const person = page.locator(`button[name=person][value="${as}"]`);
  await signIn(page).click();
  await person.waitFor();
  await picture(page, shot);
  await person.click();
}

const orders = {
  // open opens an address and logs in where it is told to.
  async open({ as, url, login }) {
    const page = await at(as);
    await page.goto(url);
    if (login) {
      await logIn(page, as, login);
      await page.waitForURL(url);
    }
    return page.url();
  },

  // shutOut logs a person in whom the UI then asks to log in again, and returns
  // the text of that page.
  async shutOut({ as, url, login }) {
    const page = await at(as);
    await page.goto(url);
    await logIn(page, as, login);
    await signIn(page).waitFor();
    return page.locator("body").innerText();
  },

  // leave closes a person's browser.
  async leave({ as }) {
    await people.get(as).page.context().close();
    gone.push(...alive(as));
    people.delete(as);
  },

  // read waits until a text's frame says something, and returns all that it
  // says and the names of the elements in it. The UI does not bring it up to
  // date by itself: it wants the key R.
  async read({ as, part, until }) {
    const page = await at(as);
    const main = frame(page, part);
    const said = main.filter({ hasText: until });
    for (const end = Date.now() + patience; ; await page.keyboard.press("r")) {
      try {
        await said.waitFor({ timeout: 1000 });
        break;
      } catch (e) {
        if (Date.now() > end) throw new Error(`in ${patience} ms the ${part} did not say ${until}: ${e.message}`);
      }
    }
    return {
      text: await main.innerText(),
      elements: await main.locator("*").evaluateAll((all) => [...new Set(all.map((e) => e.localName))].sort()),
      hidden: await main.evaluate(() => document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth),
    };
  },

  // vote sends the signal approve as a person does: from the menu, with the
  // input pasted. It returns how the server answered.
  async vote({ as, input, shot }) {
    const page = await at(as);
    await page.getByRole("button", { name: "More Actions" }).click();
    await page.locator("[data-testid=signal-button]:visible").click();
    const dialog = page.locator("dialog[open]");
    await dialog.locator("[data-testid=signal-select-button]").click();
    await dialog.getByRole("option", { name: /^approve/ }).click();
    const editor = dialog.getByRole("textbox").last();
    await editor.click();
    await page.keyboard.press("Control+A"); // the dialog still has the last vote
    await page.keyboard.insertText(input);
    // The editor lays the JSON out when it is left, which moves the button.
    await page.keyboard.press("Tab");
    await dialog.locator(".cm-line").nth(2).waitFor();
    await picture(page, shot);
    const answered = page.waitForResponse((r) => r.url().includes("/signal/"));
    await dialog.getByRole("button", { name: "Submit" }).click();
    const status = (await answered).status();
    if (status === 200) {
      await dialog.waitFor({ state: "hidden" });
    }
    return status;
  },

  // listed waits until the list of workflows has one of this id.
  async listed({ as, id }) {
    const page = await at(as);
    await page.getByRole("link", { name: id }).first().waitFor();
    return page.locator("table").first().innerText();
  },

  // shot keeps what a person sees, the whole page of it.
  async shot({ as, shot }) {
    const page = await at(as);
    const height = await page.evaluate(() => document.querySelector("#content")?.scrollHeight ?? document.body.scrollHeight);
    await page.setViewportSize({ width: 1440, height: Math.max(1100, height) });
    await picture(page, shot);
    await page.setViewportSize({ width: 1440, height: 1100 });
  },

  // alive are the signs from all browsers that hostile text ran as a script.
  alive: () => [...gone, ...[...people.keys()].flatMap(alive)],

  // dump keeps what everybody sees when something has gone wrong.
  async dump() {
    for (const [name, { page, console }] of people) {
      const keep = (kind, data) => writeFileSync(join(directory, `failed-${name}.${kind}`), data);
      keep("console.txt", console.join("\n") + "\n");
      keep("html", (await Promise.all(page.frames().map((f) => f.content()))).join("\n\n"));
      await picture(page, `failed-${name}`);
    }
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  let answer;
  try {
    answer = { value: (await orders[order.do](order)) ?? null };
  } catch (e) {
    answer = { error: String(e.message ?? e) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
await browser.close();
