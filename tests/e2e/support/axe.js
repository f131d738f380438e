// axe, run in a frame of its own: from outside, a frame of another site would be passed over in silence.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

const source = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** Finds nothing in `frame`, or only in its part `selector`; gives how many rules had something to look at. */
export async function assertAccessible(frame, what, selector) {
  if (!(await frame.evaluate(() => 'axe' in window))) {
    await frame.evaluate(source);
  }
  await settleMotion(frame);
  const { violations, passed } = await frame.evaluate(
    async ([tags, part]) => {
      const found = await window.axe.run(part ?? document, {
        runOnly: { type: 'tag', values: tags },
        resultTypes: ['violations', 'passes'],
        iframes: false,
      });
      return {
        passed: found.passes.length,
        violations: found.violations.map(({ id, help, nodes }) => ({
          id,
          help,
          nodes: nodes.map(({ target, failureSummary }) => `${target.flat().join(' ')}: ${failureSummary}`),
        })),
      };
    },
    [TAGS, selector],
  );
  assert.deepEqual(violations, [], `${what}: ${JSON.stringify(violations, null, 2)}`);
  assert.ok(passed > 0, `${what}: axe had nothing to look at`);
  return passed;
}

/** What fades in has its contrast only at the end; what moves for ever, such as a waiting caret, has none. */
function settleMotion(frame) {
  return frame.evaluate(() => {
    const finite = document
      .getAnimations()
      .filter((animation) => Number.isFinite(animation.effect?.getComputedTiming().endTime));
    return Promise.allSettled(finite.map((animation) => animation.finished)).then(() => {});
  });
}

/** The page of the chat is never wider than the screen. */
export async function assertNoSidewaysScroll(frame, { width }) {
  const wide = await frame.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= width && wide <= (await frame.evaluate(() => innerWidth)), `${wide} px wide`);
}
