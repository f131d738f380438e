// Waiting for a condition that no browser event tells of. Bounded; never a fixed sleep.

import { setTimeout as pause } from 'node:timers/promises';

const LIMIT_MS = 15_000;
const INTERVAL_MS = 50;

/** What `probe` gives once it is neither undefined, null nor false. */
export async function until(what, probe, limit = LIMIT_MS) {
  const end = Date.now() + limit;
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== null && value !== false) {
      return value;
    }
    if (Date.now() > end) {
      throw new Error(`waited ${limit} ms in vain: ${what}`);
    }
    await pause(INTERVAL_MS);
  }
}
