// Looks at a report in a real browser: node page.js REPORT.html FOLDER. Nothing may be said on the console, every chart must
// be drawn and zoom, and nothing may hang over the edge of a phone. The pictures in FOLDER are for people to look at.
"use strict";
const assert = require("node:assert/strict");
const { pathToFileURL } = require("node:url");
const { chromium } = require("playwright-core");

const [report, folder] = process.argv.slice(2);
const DESK = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };

// The page in a window of its own, and whatever it complained about.
const open = async (browser, options) => {
  const page = await browser.newPage(options);
  const said = [];
  page.on("console", (message) => said.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => said.push(String(error)));
  page.on("request", (request) => /^(file|data|blob):/.test(request.url()) || said.push(`fetched ${request.url()}`));
  await page.goto(pathToFileURL(report).href);
  return { page, said };
};

const picture = (page, name) => page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
const pixels = (canvas) => canvas.evaluate((c) => c.toDataURL());
const ground = (page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
// Luminance from 0 to 255; the colours here are greys, or nearly.
const light = (colour) => colour.match(/\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 3;
const overhang = (page) => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);

// A canvas that was painted has more than one colour.
const painted = (canvas) => canvas.evaluate((c) => {
  const { data } = c.getContext("2d").getImageData(0, 0, c.width, c.height);
  return new Set(new Uint32Array(data.buffer)).size > 1;
});

const charts = async (page) => {
  const all = await page.locator("figure").all();
  assert.ok(all.length >= 5, `${all.length} charts`);
  for (const figure of all) {
    const title = (await figure.locator("figcaption").innerText()).split("\n")[0];
    assert.ok(await painted(figure.locator("canvas")), `nothing is drawn: ${title}`);
  }
  return all;
};

// Drags over the middle of a chart, which must change it, and clicks twice, which must bring everything back.
const zoom = async (page, figure) => {
  const canvas = figure.locator("canvas");
  await figure.scrollIntoViewIfNeeded();
  const before = await pixels(canvas);
  const { x, y, width, height } = await figure.locator(".u-over").boundingBox();
  await page.mouse.move(x + width * 0.4, y + height / 2);
  await page.mouse.down();
  await page.mouse.move(x + width * 0.6, y + height / 2, { steps: 5 });
  await page.mouse.up();
  await page.waitForFunction(([c, before]) => c.toDataURL() !== before, [await canvas.elementHandle(), before]);
  await page.mouse.dblclick(x + width / 2, y + height / 2);
  await page.waitForFunction(([c, before]) => c.toDataURL() === before, [await canvas.elementHandle(), before]);
};

(async () => {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
  try {
    let { page, said } = await open(browser, { viewport: DESK, colorScheme: "light" });
    assert.ok(light(await ground(page)) > 200, "a light page is light");
    const figures = await charts(page);
    await picture(page, "light");
    const drawn = await figures[0].locator("canvas").evaluate((c) => c.toDataURL());
    for (const figure of figures) {
      // One bar cannot be zoomed, and does not say so.
      if (await figure.locator("small").count()) await zoom(page, figure);
    }
    const menu = page.locator("figure select").first();
    if (await menu.count()) {
      const canvas = page.locator("figure", { has: page.locator("select") }).first().locator("canvas");
      const before = await pixels(canvas);
      await menu.selectOption({ index: 1 });
      assert.notEqual(await pixels(canvas), before, "another number is another picture");
      await menu.selectOption({ index: 0 });
    }

    // Dark, while the page is open.
    await page.emulateMedia({ colorScheme: "dark" });
    assert.ok(light(await ground(page)) < 60, "a dark page is dark");
    await page.waitForFunction(([c, drawn]) => c.toDataURL() !== drawn, [await figures[0].locator("canvas").elementHandle(), drawn]);
    await picture(page, "dark");

    // On paper, also from a dark page.
    await page.emulateMedia({ colorScheme: "dark", media: "print" });
    assert.ok(light(await ground(page)) > 200, "paper is white");
    assert.equal(await page.locator("nav").isVisible(), false, "paper has no links");
    await page.pdf({ path: `${folder}/print.pdf`, format: "A4", preferCSSPageSize: true });
    assert.deepEqual(said, []);
    await page.close();

    ({ page, said } = await open(browser, { viewport: PHONE, deviceScaleFactor: 2, isMobile: true, hasTouch: true }));
    await charts(page);
    await picture(page, "phone");
    assert.equal(await overhang(page), 0, "nothing hangs over the edge of a phone");
    assert.deepEqual(said, []);
  } finally {
    await browser.close();
  }
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
